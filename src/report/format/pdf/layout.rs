//! Lines, paragraphs and columns on pages; text broken by the widths of its font.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 50.0;
/// Where labels end and values begin.
const VALUES: f32 = 120.0;

/// The fonts used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    Plain,
    Bold,
    Code,
}

impl Font {
    const ALL: [Self; 3] = [Self::Plain, Self::Bold, Self::Code];

    const fn name(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"F1"),
            Self::Bold => Name(b"F2"),
            Self::Code => Name(b"F3"),
        }
    }

    const fn base(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"Helvetica"),
            Self::Bold => Name(b"Helvetica-Bold"),
            Self::Code => Name(b"Courier"),
        }
    }

    /// Width of a character in thousandths of the size. Helvetica's of its published metrics, space to tilde; bold is
    /// taken as a tenth wider at most, other characters as an `m`.
    fn width(self, c: char) -> f32 {
        let plain = |c: char| {
            let at = (c as usize).checked_sub(0x20);
            f32::from(at.and_then(|i| HELVETICA.get(i)).copied().unwrap_or(833))
        };
        match self {
            Self::Plain => plain(c),
            Self::Bold => plain(c) * 1.1,
            Self::Code => 600.0,
        }
    }

    fn measure(self, size: f32, text: &str) -> f32 {
        text.chars().map(|c| self.width(c)).sum::<f32>() * size / 1000.0
    }
}

const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];

/// Colours of severities 1 to 5, as red, green, blue.
const SEVERITIES: [[f32; 3]; 5] =
    [[0.30, 0.49, 0.56], [0.54, 0.56, 0.18], [0.85, 0.54, 0.12], [0.78, 0.27, 0.18], [0.56, 0.11, 0.17]];

/// Text in WinAnsi (ISO 32000-1, annex D): Latin-1 as it is, the rest as a question mark, controls as a middle dot.
fn encode(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| match u32::from(c) {
            0x20..=0x7e | 0xa0..=0xff => c as u32 as u8,
            0..0x20 | 0x7f..0xa0 => 0xb7,
            _ => b'?',
        })
        .collect()
}

/// Breaks a text into lines that fit, at spaces where there are any.
fn broken(font: Font, size: f32, room: f32, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut width = 0.0;
        for word in paragraph.split_inclusive(' ') {
            let wide = font.measure(size, word);
            if width + wide > room && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                width = 0.0;
            }
            for c in word.chars() {
                let one = font.width(c) * size / 1000.0;
                if width + one > room {
                    lines.push(std::mem::take(&mut line));
                    width = 0.0;
                }
                line.push(c);
                width += one;
            }
        }
        lines.push(line);
    }
    lines
}

/// Pages in the making.
pub(super) struct Layout {
    title: String,
    done: Vec<Content>,
    page: Content,
    y: f32,
}

impl Layout {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), done: Vec::new(), page: Content::new(), y: HEIGHT - MARGIN }
    }

    /// Makes room for so much, on a new page where it is needed.
    fn need(&mut self, height: f32) {
        if self.y - height < MARGIN {
            self.done.push(std::mem::replace(&mut self.page, Content::new()));
            self.y = HEIGHT - MARGIN;
        }
    }

    pub(super) fn space(&mut self, height: f32) {
        self.y -= height;
    }

    fn put(&mut self, font: Font, size: f32, x: f32, text: &str) {
        self.page.begin_text();
        self.page.set_font(font.name(), size);
        self.page.next_line(MARGIN + x, self.y);
        self.page.show(Str(&encode(text)));
        self.page.end_text();
    }

    /// One line or as many as the text needs.
    pub(super) fn line(&mut self, font: Font, size: f32, x: f32, text: &str) {
        for line in broken(font, size, WIDTH - 2.0 * MARGIN - x, text) {
            self.need(size * 1.35);
            self.y -= size * 1.35;
            self.put(font, size, x, &line);
        }
    }

    pub(super) fn paragraph(&mut self, size: f32, x: f32, text: &str) {
        self.line(Font::Plain, size, x, text);
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.need(60.0);
        self.space(12.0);
        self.line(Font::Bold, 13.0, 0.0, text);
        self.page.set_line_width(0.6);
        self.page.move_to(MARGIN, self.y - 4.0);
        self.page.line_to(WIDTH - MARGIN, self.y - 4.0);
        self.page.stroke();
        self.space(7.0);
    }

    /// A label and its value beside it.
    pub(super) fn pair(&mut self, label: &str, value: &str) {
        let size = 9.5;
        let lines = broken(Font::Plain, size, WIDTH - 2.0 * MARGIN - VALUES, value);
        for (n, line) in lines.iter().enumerate() {
            self.need(size * 1.35);
            self.y -= size * 1.35;
            if n == 0 {
                self.put(Font::Bold, size, 0.0, label);
            }
            self.put(Font::Plain, size, VALUES, line);
        }
    }

    /// One row of a table.
    pub(super) fn columns(&mut self, font: Font, at: &[f32], cells: &[&str]) {
        let size = 9.5;
        self.need(size * 1.35);
        self.y -= size * 1.35;
        for (x, cell) in at.iter().zip(cells) {
            self.put(font, size, *x, cell);
        }
    }

    /// A line behind a coloured box with a severity.
    pub(super) fn severity(&mut self, severity: u8, text: &str) {
        self.need(16.0);
        let index = usize::from(severity.clamp(1, 5)) - 1;
        let [r, g, b] = SEVERITIES.get(index).copied().unwrap_or_default();
        self.page.save_state();
        self.page.set_fill_rgb(r, g, b);
        self.page.rect(MARGIN, self.y - 15.0, 14.0, 12.0);
        self.page.fill_nonzero();
        self.page.set_fill_rgb(1.0, 1.0, 1.0);
        self.y -= 12.0;
        self.put(Font::Bold, 9.5, 4.3, &severity.to_string());
        self.page.restore_state();
        self.y += 12.0;
        self.line(Font::Plain, 10.0, 22.0, text);
    }

    /// What strangers said, in a fixed width.
    pub(super) fn code(&mut self, text: &str) {
        self.line(Font::Code, 8.0, 26.0, text);
    }

    /// The whole file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.done.push(std::mem::replace(&mut self.page, Content::new()));
        let pages = self.done.len();
        let (catalog, tree, info) = (Ref::new(1), Ref::new(2), Ref::new(3));
        let font_ref = |i: usize| Ref::new(4 + i as i32);
        let page_ref = |i: usize| Ref::new(10 + 2 * i as i32);
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree);
        pdf.document_info(info).title(TextStr(&self.title)).producer(TextStr("Palisade"));
        pdf.pages(tree).kids((0..pages).map(page_ref)).count(pages as i32);
        for (i, font) in Font::ALL.into_iter().enumerate() {
            pdf.type1_font(font_ref(i)).base_font(font.base()).encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        for (i, mut content) in self.done.into_iter().enumerate() {
            content.begin_text();
            content.set_font(Font::Plain.name(), 8.0);
            content.next_line(WIDTH - MARGIN - 60.0, 25.0);
            content.show(Str(format!("Page {} of {pages}", i + 1).as_bytes()));
            content.end_text();
            let mut page = pdf.page(page_ref(i));
            page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(Ref::new(11 + 2 * i as i32));
            let mut resources = page.resources();
            let mut fonts = resources.fonts();
            for (f, font) in Font::ALL.into_iter().enumerate() {
                fonts.pair(font.name(), font_ref(f));
            }
            fonts.finish();
            resources.finish();
            page.finish();
            pdf.stream(Ref::new(11 + 2 * i as i32), &content.finish());
        }
        pdf.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_lose_nothing() {
        let text =
            "one two three four five six seven eight nine ten and a_word_that_is_far_too_long_for_any_line_at_all";
        let lines = broken(Font::Plain, 10.0, 100.0, text);
        assert_eq!(lines.concat(), text);
        assert!(lines.iter().all(|l| Font::Plain.measure(10.0, l) <= 100.0), "{lines:?}");
        assert!(lines.len() > 5);
        assert_eq!(broken(Font::Plain, 10.0, 100.0, "a\n\nb"), ["a", "", "b"]);
    }
}
