//! Tables for people: borders and wrapping on a terminal, plain columns on a pipe.

use comfy_table::{ContentArrangement, Table, presets};

/// How a table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// On a terminal of so many columns.
    Terminal(u16),
    /// On a pipe: no borders, never wrapped.
    Plain,
}

/// Draws rows under headings, with a newline at the end.
pub fn draw(headings: &[&str], rows: &[Vec<String>], look: Look) -> String {
    let mut table = Table::new();
    match look {
        Look::Terminal(width) => {
            table.load_style(presets::UTF8_HORIZONTAL_ONLY);
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width.max(40));
        }
        Look::Plain => {
            table.load_style(presets::NOTHING);
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(headings.iter().map(|h| printable(h)));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    let mut text = String::new();
    for line in table.to_string().lines() {
        text.push_str(line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()));
        text.push('\n');
    }
    text
}

/// Control characters made visible: inventory text must not steer a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_columns_line_up_and_control_characters_are_tamed() {
        let rows = vec![vec!["i-1".into(), "web\u{1b}[31m".into()], vec!["i-22".into(), String::new()]];
        insta::assert_snapshot!(draw(&["id", "name"], &rows, Look::Plain), @r"
        id    name
        i-1   web�[31m
        i-22
        ");
    }
}
