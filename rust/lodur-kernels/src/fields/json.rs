//! The scalars of a line that is a JSON object, named as `| json` names them, with the keys that lead to them.

use std::borrow::Cow;

use crate::pipeline::json_scan::{Defect, Kind, key_at, next_key, object_start, unescape, value_at};
use crate::pipeline::label_name::append_sanitised;

/// Objects nested deeper are passed over, as in `| json`.
const DEPTH_MAX: usize = 64;

/// Bytes of a name and of the keys that make it: what is longer is passed over, for nobody chooses such a field and
/// copies of long names for many values take much memory.
const NAME_BYTES_MAX: usize = 1 << 10;

/// A scalar of the line.
pub struct Scalar<'l> {
    pub name: Vec<u8>,
    pub value: Cow<'l, [u8]>,
    pub path: Vec<Vec<u8>>,
}

/// All scalars but nulls, in the order of the line; None where the line is no whole object.
pub fn scalars(line: &[u8]) -> Option<Vec<Scalar<'_>>> {
    let mut walk = Walk { name: Vec::new(), path: Vec::new(), path_bytes: 0, found: Vec::new() };
    walk.object(line).ok()?;
    Some(walk.found)
}

struct Walk<'l> {
    name: Vec<u8>,
    path: Vec<Vec<u8>>,
    path_bytes: usize,
    found: Vec<Scalar<'l>>,
}

impl<'l> Walk<'l> {
    fn object(&mut self, text: &'l [u8]) -> Result<(), Defect> {
        let mut next = object_start(text, 0)?;
        while let Some(at) = next {
            if text[at] != b'"' {
                return Err(Defect::Object);
            }
            let key = key_at(text, at)?;
            let raw = &text[key.text.clone()];
            let key_text = if key.escaped { unescape(raw).ok_or(Defect::Escape)? } else { raw.to_vec() };
            let value = value_at(text, key.end)?;
            let (length, key_bytes) = (self.name.len(), key_text.len());
            self.path_bytes += key_bytes;
            append_sanitised(&mut self.name, &key_text);
            self.path.push(key_text);
            let inner = &text[value.text.clone()];
            match value.kind {
                _ if self.name.len().max(self.path_bytes) > NAME_BYTES_MAX => {}
                Kind::String { escaped: true } => self.add(Cow::Owned(unescape(inner).unwrap_or_default())),
                Kind::String { .. } | Kind::Number | Kind::Boolean => self.add(Cow::Borrowed(inner)),
                Kind::Object if self.path.len() <= DEPTH_MAX => {
                    if !self.name.is_empty() {
                        self.name.push(b'_');
                    }
                    self.object(inner)?;
                }
                Kind::Object | Kind::Array | Kind::Null => {}
            }
            self.path.pop();
            self.path_bytes -= key_bytes;
            self.name.truncate(length);
            next = next_key(text, value.end)?;
        }
        Ok(())
    }

    fn add(&mut self, value: Cow<'l, [u8]>) {
        if !self.name.is_empty() {
            self.found.push(Scalar { name: self.name.clone(), value, path: self.path.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_paths() {
        let line = r#"{"a":1,"n":{"b-c":"x\ty","deep":{"z":true}},"l":[1],"no":null}"#.as_bytes();
        let found: Vec<(String, String, usize)> = scalars(line)
            .unwrap()
            .into_iter()
            .map(|one| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (text(&one.name), text(&one.value), one.path.len())
            })
            .collect();
        let expected = [("a", "1", 1), ("n_b_c", "x\ty", 2), ("n_deep_z", "true", 3)];
        assert_eq!(found, expected.map(|(name, value, depth)| (name.to_owned(), value.to_owned(), depth)));
        for no_object in ["", "[1]", "text", r#"{"a":1"#, r#"{"a":1,"b":nonsense}"#] {
            assert!(scalars(no_object.as_bytes()).is_none(), "{no_object}");
        }
    }
}
