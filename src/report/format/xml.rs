//! XML in the making: elements, attributes and text, escaped by the library; characters that XML 1.0 does not have are
//! replaced, since banners hold all kinds of bytes.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::RenderError;

/// A document in the making.
pub(super) struct Document {
    writer: Writer<Vec<u8>>,
    format: &'static str,
    failed: Option<String>,
}

/// XML 1.0, production 2: what a character may be; anything else becomes the replacement character.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => c,
            _ => '\u{fffd}',
        })
        .collect()
}

impl Document {
    pub(super) fn new(format: &'static str) -> Self {
        let mut document = Self { writer: Writer::new_with_indent(Vec::new(), b' ', 2), format, failed: None };
        document.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        document
    }

    fn event(&mut self, event: Event<'_>) {
        if let Err(error) = self.writer.write_event(event) {
            self.failed.get_or_insert(error.to_string());
        }
    }

    /// `<!DOCTYPE text>`.
    pub(super) fn doctype(&mut self, text: &str) {
        self.event(Event::DocType(BytesText::from_escaped(text)));
    }

    fn start<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
        let mut start = BytesStart::new(name);
        for (key, value) in attributes {
            start.push_attribute((*key, clean(value).as_str()));
        }
        start
    }

    /// An element with a body.
    pub(super) fn element(&mut self, name: &str, attributes: &[(&str, &str)], body: impl FnOnce(&mut Self)) {
        self.event(Event::Start(Self::start(name, attributes)));
        body(self);
        self.event(Event::End(BytesEnd::new(name)));
    }

    /// An element without a body.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.event(Event::Empty(Self::start(name, attributes)));
    }

    /// An element that holds a text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.text_with(name, &[], text);
    }

    /// An element with attributes that holds a text.
    pub(super) fn text_with(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        let clean = clean(text);
        self.element(name, attributes, |d| d.event(Event::Text(BytesText::new(&clean))));
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, RenderError> {
        match self.failed {
            Some(why) => Err(RenderError { format: self.format, why }),
            None => {
                let mut bytes = self.writer.into_inner();
                bytes.push(b'\n');
                Ok(bytes)
            }
        }
    }
}

/// A number for a check in documents that know numbers only: stable, in a range of its own above 9,000,000. FNV-1a.
pub(super) fn number(check: &str) -> u64 {
    let hash = check.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    9_000_000 + hash % 1_000_000
}
