//! Amazon's XML as JSON: what a table names is taken, the rest is passed over. The result has the form that
//! `aws … --output json` prints.
//!
//! The parser never goes deeper than the table, builds no more than the text holds, expands no entity but the five of
//! XML itself and characters by number, and refuses document types. A text that breaks off gives the records before
//! the break.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// Name in XML, name in JSON, type.
pub(super) type Members = &'static [(&'static str, &'static str, Shape)];

/// The type of an element.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text,
    Number,
    Flag,
    Object(Members),
    /// The name of its elements and their type.
    List(&'static str, &'static Shape),
}

/// Nesting of elements that are passed over.
const DEPTH: usize = 128;

/// Reads a document whose root is one of `roots`. What came, and why it is not all of it.
pub(super) fn document(body: &[u8], roots: &[&str], members: Members) -> (Map<String, Value>, Option<String>) {
    let mut found = Map::new();
    let (text, bad) = match std::str::from_utf8(body) {
        Ok(text) => (text, None),
        Err(e) => {
            let good = body.get(..e.valid_up_to()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("");
            (good, Some(format!("byte {} of the answer is no UTF-8", e.valid_up_to())))
        }
    };
    let mut parser = Parser { reader: Reader::from_str(text) };
    let parsed = parser.root(roots).and_then(|()| parser.object(members, true, &mut found));
    (found, bad.or(parsed.err()))
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
}

/// The next thing of interest inside an element.
enum Item {
    Open(String),
    Empty(String),
    Close,
}

impl Parser<'_> {
    fn broken(&self, why: &str) -> String {
        format!("the answer is broken at byte {}: {why}", self.reader.buffer_position())
    }

    fn event(&mut self) -> Result<Event<'_>, String> {
        let at = self.reader.buffer_position();
        match self.reader.read_event() {
            Ok(Event::Eof) => Err(format!("the answer is broken at byte {at}: it ends inside an element")),
            Ok(Event::DocType(_)) => Err(format!("the answer is broken at byte {at}: it declares a document type")),
            Ok(event) => Ok(event),
            Err(e) => Err(format!("the answer is broken at byte {at}: {e}")),
        }
    }

    fn root(&mut self, roots: &[&str]) -> Result<(), String> {
        loop {
            let name = match self.event()? {
                Event::Start(start) => start.local_name().as_ref().to_owned(),
                Event::Text(text) if !text.trim().is_empty() => return Err("the answer is no XML".to_owned()),
                Event::Empty(_) => return Err("the answer is empty".to_owned()),
                _ => continue,
            };
            if roots.contains(&name.as_str()) {
                return Ok(());
            }
            let shown: String = name.chars().take(40).collect();
            return Err(format!("the answer is `{shown}`, not `{}`", roots.first().unwrap_or(&"")));
        }
    }

    fn item(&mut self) -> Result<Item, String> {
        loop {
            return Ok(match self.event()? {
                Event::Start(start) => Item::Open(start.local_name().as_ref().to_owned()),
                Event::Empty(start) => Item::Empty(start.local_name().as_ref().to_owned()),
                Event::End(_) => Item::Close,
                _ => continue,
            });
        }
    }

    /// The members of an open element, up to its end. On the spine (root and wrapper) what came before a break is kept.
    fn object(&mut self, members: Members, spine: bool, out: &mut Map<String, Value>) -> Result<(), String> {
        loop {
            let (name, empty) = match self.item()? {
                Item::Close => return Ok(()),
                Item::Open(name) => (name, false),
                Item::Empty(name) => (name, true),
            };
            let Some((_, json, shape)) = members.iter().find(|(xml, _, _)| *xml == name) else {
                if !empty {
                    self.skip()?;
                }
                continue;
            };
            let (value, result) = if empty { (Some(nothing(*shape)), Ok(())) } else { self.value(*shape, spine) };
            out.extend(value.map(|v| ((*json).to_owned(), v)));
            result?;
        }
    }

    /// The value of an open element; with an error, what is worth keeping of it.
    fn value(&mut self, shape: Shape, spine: bool) -> (Option<Value>, Result<(), String>) {
        match shape {
            Shape::Object(members) => {
                let mut inner = Map::new();
                let result = self.object(members, spine, &mut inner);
                ((spine || result.is_ok()).then_some(Value::Object(inner)), result)
            }
            Shape::List(tag, item) => {
                let mut items = Vec::new();
                let result = self.list(tag, *item, &mut items);
                ((spine || result.is_ok()).then_some(Value::Array(items)), result)
            }
            Shape::Text | Shape::Number | Shape::Flag => match self.text() {
                Ok(text) => (Some(scalar(shape, text)), Ok(())),
                Err(e) => (None, Err(e)),
            },
        }
    }

    fn list(&mut self, tag: &str, shape: Shape, items: &mut Vec<Value>) -> Result<(), String> {
        loop {
            match self.item()? {
                Item::Close => return Ok(()),
                Item::Open(name) if name == tag => {
                    let (value, result) = self.value(shape, false);
                    result?;
                    items.extend(value);
                }
                Item::Empty(name) if name == tag => items.push(nothing(shape)),
                Item::Open(name) | Item::Empty(name) => {
                    let shown: String = name.chars().take(40).collect();
                    return Err(self.broken(&format!("`{shown}` stands in a list of `{tag}`")));
                }
            }
        }
    }

    /// Text up to the end of an open element.
    fn text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.event()? {
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::CData(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(name) => match (name.resolve_char_ref(), &*name.xml10_content()) {
                    (Ok(Some(c)), _) => text.push(c),
                    (_, "amp") => text.push('&'),
                    (_, "lt") => text.push('<'),
                    (_, "gt") => text.push('>'),
                    (_, "quot") => text.push('"'),
                    (_, "apos") => text.push('\''),
                    _ => return Err(self.broken("an entity is not known")),
                },
                Event::End(_) => return Ok(text),
                Event::Start(_) | Event::Empty(_) => return Err(self.broken("an element stands where text belongs")),
                _ => {}
            }
        }
    }

    /// Passes over an open element.
    fn skip(&mut self) -> Result<(), String> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.event()? {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                _ => {}
            }
            if depth > DEPTH {
                return Err(self.broken("elements are nested too deeply"));
            }
        }
        Ok(())
    }
}

fn nothing(shape: Shape) -> Value {
    match shape {
        Shape::Object(_) => Value::Object(Map::new()),
        Shape::List(..) => Value::Array(Vec::new()),
        Shape::Text => Value::String(String::new()),
        Shape::Number | Shape::Flag => Value::Null,
    }
}

/// A number or flag that is none stays text: the reader of the record says what is wrong with it.
fn scalar(shape: Shape, text: String) -> Value {
    let typed = match shape {
        Shape::Number => text.trim().parse::<i64>().ok().map(Value::from),
        Shape::Flag => text.trim().parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    typed.unwrap_or(Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::live::aws::tables::{BALANCERS, INSTANCES};

    fn read(text: &str) -> (String, String) {
        let (map, broken) = document(text.as_bytes(), &["DescribeInstancesResponse"], INSTANCES);
        (Value::Object(map).to_string(), broken.unwrap_or_default())
    }

    #[test]
    fn a_page() {
        let text = r#"<?xml version="1.0"?><DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>
            <reservationSet><item><ownerId>1</ownerId><groupSet/><instancesSet><item><instanceId>i-1</instanceId><reason/>
            <instanceState><code>16</code><name>running</name></instanceState><sourceDestCheck>true</sourceDestCheck>
            <blob><a><b/></a></blob><tagSet><item><key>a&amp;b</key><value> &#x263a;<![CDATA[<x>]]> </value></item></tagSet></item></instancesSet></item></reservationSet>
            <nextToken>t</nextToken></DescribeInstancesResponse>"#;
        assert_eq!(
            read(text),
            (
                "{\"NextToken\":\"t\",\"Reservations\":[{\"Instances\":[{\"InstanceId\":\"i-1\",\"SourceDestCheck\":true,\
                 \"State\":{\"Code\":16,\"Name\":\"running\"},\"StateTransitionReason\":\"\",\"Tags\":[{\"Key\":\"a&b\",\
                 \"Value\":\" \u{263a}<x> \"}]}],\"OwnerId\":\"1\"}]}"
                    .into(),
                String::new()
            )
        );
    }

    #[test]
    fn what_came_before_a_break_is_kept() {
        let item = |id: &str| {
            format!(
                "<item><ownerId>1</ownerId><instancesSet><item><instanceId>{id}</instanceId></item></instancesSet></item>"
            )
        };
        let whole = format!(
            "<DescribeInstancesResponse><reservationSet>{}{}</reservationSet></DescribeInstancesResponse>",
            item("i-1"),
            item("i-2")
        );
        let one = r#"{"Reservations":[{"Instances":[{"InstanceId":"i-1"}],"OwnerId":"1"}]}"#;
        let cut = whole.find("i-2").unwrap();
        let (kept, why) = read(whole.get(..cut).unwrap());
        assert_eq!(kept, one);
        assert!(why.ends_with("it ends inside an element"), "{why}");
        for n in 0..whole.len() {
            assert!(!read(whole.get(..n).unwrap()).1.is_empty(), "cut at {n}");
        }
        let (kept, why) = read(&whole.replacen("i-2", "<x/>", 1));
        assert_eq!((kept.as_str(), why.contains("an element stands where text belongs")), (one, true));
    }

    #[test]
    fn hostile_texts() {
        let deep = format!("<DescribeInstancesResponse>{}", "<x>".repeat(100_000));
        let entity = "<DescribeInstancesResponse><nextToken>&lol;</nextToken></DescribeInstancesResponse>";
        let doctype = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><DescribeInstancesResponse/>";
        for (text, why) in [
            (deep.as_str(), "elements are nested too deeply"),
            (entity, "an entity is not known"),
            (doctype, "it declares a document type"),
            ("<html><body>Bad gateway</body></html>", "the answer is `html`, not `DescribeInstancesResponse`"),
            ("Bad gateway", "the answer is no XML"),
            ("", "it ends inside an element"),
            ("<DescribeInstancesResponse></y>", "expected `</DescribeInstancesResponse>`"),
            ("<DescribeInstancesResponse><reservationSet><x/></reservationSet>", "`x` stands in a list of `item`"),
        ] {
            let (_, said) = read(text);
            assert!(said.contains(why), "{text:.60}: {said}");
        }
        let (_, why) = document(b"<DescribeInstancesResponse>\xff", &["DescribeInstancesResponse"], INSTANCES);
        assert_eq!(why.unwrap(), "byte 27 of the answer is no UTF-8");
        let (map, _) = document(
            b"<R><DescribeLoadBalancersResult><LoadBalancers><member><DNSName>a</DNSName></member><member>",
            &["R"],
            BALANCERS,
        );
        assert_eq!(Value::Object(map).to_string(), r#"{"Result":{"LoadBalancers":[{"DNSName":"a"}]}}"#);
    }
}
