//! Structured metadata of accepted rows: names made regular and kept once, values checked, pairs sorted.

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::batch::{MetaPair, Metadata};
use crate::error::{KernelError, Result};
use crate::level::LEVEL_NAME;

use super::level_detect::LevelDetector;

/// What is added to metadata must leave places in it within 32 bits, beside all that a body can have itself.
const ADDED_BYTES_MAX: usize = 2 << 30;

/// One pair as the body has it.
#[derive(Clone, Debug)]
pub(super) struct RawPair<'a> {
    pub(super) name: Cow<'a, [u8]>,
    pub(super) value: Cow<'a, [u8]>,
}

/// What a name says about levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameRole {
    DetectedLevel,
    /// A level field, by its place in the list of fields.
    LevelField(usize),
    SeverityNumber,
    Other,
}

/// Builds `Metadata` row by row.
#[derive(Debug, Default)]
pub(super) struct MetadataWriter {
    meta: Metadata,
    ids: HashMap<Box<str>, u32>,
    roles: Vec<NameRole>,
    /// Name of the pair at this place of an earlier row: entries of a body tend to have the same names.
    expected: Vec<u32>,
    row: Vec<MetaPair>,
}

impl MetadataWriter {
    /// Takes the pairs of the next row: names made regular, of equal names the last value, no empty values. The pairs
    /// stay open to `take_level` and `set` until `close_row`.
    pub(super) fn open_row(&mut self, pairs: &[RawPair<'_>], detector: Option<&LevelDetector>) -> Result<()> {
        self.row.clear();
        for (place, pair) in pairs.iter().enumerate() {
            let name = self.name_id(place, &pair.name, detector)?;
            let (start, end) = self.put_value(&pair.value);
            self.row.push(MetaPair { name, start, end });
        }
        if self.row.len() > 1 {
            let names = &self.meta.names;
            self.row.sort_by(|a, b| names[a.name as usize].cmp(&names[b.name as usize]));
            // Of equal neighbours the later one stays; `dedup_by` drops its first argument.
            self.row.dedup_by(|later, earlier| {
                let same = later.name == earlier.name;
                if same {
                    *earlier = *later;
                }
                same
            });
        }
        self.row.retain(|pair| pair.start < pair.end);
        Ok(())
    }

    /// The value of the most telling pair about levels, with its role.
    pub(super) fn level_pair(&self) -> Option<(NameRole, &str)> {
        let best = self.row.iter().min_by_key(|pair| self.roles[pair.name as usize])?;
        let role = self.roles[best.name as usize];
        (role != NameRole::Other).then(|| (role, self.meta.value(*best)))
    }

    /// Removes the pair `detected_level` from the open row.
    pub(super) fn remove_level(&mut self) {
        let roles = &self.roles;
        self.row.retain(|pair| roles[pair.name as usize] != NameRole::DetectedLevel);
    }

    /// Bytes of a value that several rows may name, see `set_level`.
    pub(super) fn put_level_text(&mut self, value: &str) -> MetaPair {
        let name = self.intern(LEVEL_NAME, NameRole::DetectedLevel);
        let (start, end) = self.put_value(value.as_bytes());
        MetaPair { name, start, end }
    }

    /// Puts a pair of `put_level_text` into the open row.
    pub(super) fn set_level(&mut self, pair: MetaPair) {
        self.remove_level();
        let names = &self.meta.names;
        let place = self.row.partition_point(|other| *names[other.name as usize] < *LEVEL_NAME);
        self.row.insert(place, pair);
    }

    /// A value of the open row.
    pub(super) fn value_of(&self, name: &str) -> Option<&str> {
        let names = &self.meta.names;
        self.row.iter().find(|pair| *names[pair.name as usize] == *name).map(|pair| self.meta.value(*pair))
    }

    /// Puts a pair into the open row, which has none of that name; not where there is no room for more text.
    pub(super) fn put(&mut self, name: &str, value: &[u8], detector: Option<&LevelDetector>) {
        if self.meta.bytes.len() + value.len() > ADDED_BYTES_MAX {
            return;
        }
        let name = self.intern(name, role_of(name, detector));
        let (start, end) = self.put_value(value);
        let names = &self.meta.names;
        let place = self.row.partition_point(|other| names[other.name as usize] < names[name as usize]);
        self.row.insert(place, MetaPair { name, start, end });
    }

    /// Ends the row `row` (counted from 0): its pairs are those of the open row, which is emptied.
    pub(super) fn close_row(&mut self, row: usize) {
        if self.row.is_empty() && self.meta.ends.is_empty() {
            return;
        }
        // Rows before the first one with metadata have none.
        self.meta.ends.resize(row, 0);
        self.meta.pairs.append(&mut self.row);
        self.meta.ends.push(self.meta.pairs.len() as u32);
    }

    pub(super) fn finish(mut self) -> Metadata {
        self.meta.names.shrink_to_fit();
        self.meta.pairs.shrink_to_fit();
        self.meta.ends.shrink_to_fit();
        self.meta.bytes.shrink_to_fit();
        self.meta
    }

    fn put_value(&mut self, value: &[u8]) -> (u32, u32) {
        let start = self.meta.bytes.len() as u32;
        match simdutf8::basic::from_utf8(value) {
            Ok(_) => self.meta.bytes.extend_from_slice(value),
            Err(_) => put_with_blanks(&mut self.meta.bytes, value),
        }
        (start, self.meta.bytes.len() as u32)
    }

    fn name_id(&mut self, place: usize, raw: &[u8], detector: Option<&LevelDetector>) -> Result<u32> {
        if let Some(&expected) = self.expected.get(place)
            && self.meta.names[expected as usize].as_bytes() == raw
        {
            return Ok(expected);
        }
        if raw.is_empty() {
            return Err(KernelError::InvalidRequest("label name is empty".to_owned()));
        }
        let name = regular_name(raw);
        let id = match self.ids.get(&*name) {
            Some(&id) => id,
            None => self.intern(&name, role_of(&name, detector)),
        };
        if place < self.expected.len() {
            self.expected[place] = id;
        } else {
            self.expected.push(id);
        }
        Ok(id)
    }

    fn intern(&mut self, name: &str, role: NameRole) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = self.meta.names.len() as u32;
        self.meta.names.push(name.into());
        self.roles.push(role);
        self.ids.insert(name.into(), id);
        id
    }
}

fn role_of(name: &str, detector: Option<&LevelDetector>) -> NameRole {
    if name == LEVEL_NAME {
        return NameRole::DetectedLevel;
    }
    match detector.and_then(|detector| detector.rank(name.as_bytes())) {
        Some(rank) => NameRole::LevelField(rank),
        None if name == "severity_number" => NameRole::SeverityNumber,
        None => NameRole::Other,
    }
}

/// Every character outside `[a-zA-Z0-9_:]` becomes `_`; a name that begins with a digit is prefixed.
pub(super) fn regular_name(raw: &[u8]) -> String {
    let mut name = String::with_capacity(raw.len() + 4);
    if raw.first().is_some_and(u8::is_ascii_digit) {
        name.push_str("key_");
    }
    for chunk in raw.utf8_chunks() {
        for c in chunk.valid().chars() {
            name.push(if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' });
        }
        name.extend(chunk.invalid().iter().map(|_| '_'));
    }
    name
}

/// `value` with a blank in place of every byte that is not UTF-8.
fn put_with_blanks(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        out.extend(chunk.invalid().iter().map(|_| b' '));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn raw<'a>(pairs: &[(&'a str, &'a [u8])]) -> Vec<RawPair<'a>> {
        pairs.iter().map(|&(n, v)| RawPair { name: n.as_bytes().into(), value: v.into() }).collect()
    }

    #[test]
    fn names_are_made_regular() {
        let names = ["trace.id", "Weird.Key-1", "sp ace", "üni", "9digit", "a:b"];
        let regular: Vec<_> = names.iter().map(|name| regular_name(name.as_bytes())).collect();
        assert_eq!(regular, ["trace_id", "Weird_Key_1", "sp_ace", "_ni", "key_9digit", "a:b"]);
        assert_eq!(regular_name(b"a\xffb"), "a_b");
    }

    #[test]
    fn rows_are_sorted_unique_and_without_empty_values() {
        let mut writer = MetadataWriter::default();
        writer.close_row(0);
        writer.open_row(&raw(&[("b", b"2"), ("a", b"1\xff"), ("b", b"3"), ("e", b"")]), None).unwrap();
        writer.close_row(1);
        writer.open_row(&[], None).unwrap();
        writer.close_row(2);
        let meta = writer.finish();
        assert_eq!(meta.of(0).count(), 0);
        assert_eq!(meta.of(1).collect::<Vec<_>>(), [("a", "1 "), ("b", "3")]);
        assert_eq!(meta.of(2).count(), 0);
    }

    #[test]
    fn no_metadata_takes_no_space() {
        let mut writer = MetadataWriter::default();
        for row in 0..10 {
            writer.open_row(&[], None).unwrap();
            writer.close_row(row);
        }
        assert_eq!(writer.finish().ends.capacity(), 0);
    }

    #[test]
    fn an_empty_name_is_refused() {
        assert!(MetadataWriter::default().open_row(&raw(&[("", b"x")]), None).is_err());
    }
}
