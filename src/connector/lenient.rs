//! Scalars as providers and tools write them: text that may also arrive as a number or a bool, maps in their order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// Text, borrowed from the record where it has no escapes. Numbers and bools are taken in their JSON spelling
/// (tag values arrive so, query-language.md 7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of an optional field, where it is there and not empty: `""` is null (language.md 2.2).
pub(super) fn some<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(Text::as_str).filter(|t| !t.is_empty())
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(v)))
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v.to_owned())))
            }
            fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(if v { "true" } else { "false" })))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v.to_string())))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v.to_string())))
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v.to_string())))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A map of tags or labels in the order of the document; null values stay as empty text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TagMap<'a>(pub(super) Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for TagMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = TagMap<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of text")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    entries.push((key, value.unwrap_or(Text(Cow::Borrowed("")))));
                }
                Ok(TagMap(entries))
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}

/// True where a key is there, whatever its value; null counts as there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen(pub(super) bool);

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_become_text_and_others_do_not() {
        let read =
            |s: &'static str| serde_json::from_str::<Text<'_>>(s).map(|t| t.0.into_owned()).map_err(|e| e.to_string());
        assert_eq!(read("\"a\\u0041\""), Ok("aA".into()));
        assert_eq!(read("12"), Ok("12".into()));
        assert_eq!(read("-1"), Ok("-1".into()));
        assert_eq!(read("true"), Ok("true".into()));
        assert!(read("{}").unwrap_err().starts_with("invalid type: map, expected text"));
        assert!(read("null").is_err());
    }

    #[test]
    fn maps_keep_their_order() {
        let map: TagMap<'_> = serde_json::from_str(r#"{"b":"1","a":null,"c":3}"#).unwrap();
        let pairs: Vec<_> = map.0.iter().map(|(k, v)| format!("{}={}", k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, ["b=1", "a=", "c=3"]);
    }
}
