//! A line cut into words and what stands between them.
//!
//! Everything that makes a pattern true of its lines rests here: a word holds no separator and is never empty, and text
//! between two words begins with a separator. So a placeholder for a word ends where the next literal first occurs, which
//! is how `|>` looks for it.

use std::ops::Range;

use memchr::memmem;

use crate::pipeline::json_scan::{Kind, key_at, next_key, object_start, value_at};

/// Longer lines have no pattern, as in Loki.
pub const LINE_BYTES_MAX: usize = 3000;

/// Lines of more words have no pattern: nobody reads one so long.
const WORDS_MAX: usize = 512;

/// Members of a JSON object that hold what a text line would say.
const MESSAGE_KEYS: [&[u8]; 6] = [b"log", b"message", b"msg", b"msg_", b"_msg", b"content"];

const TEXT_SEPARATORS: [bool; 256] = separators(b" \t=,;\"()[]{}|");

const JSON_SEPARATORS: [bool; 256] = separators(b" \t=,;\"()[]{}|:");

const fn separators(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut index = 0;
    while index < bytes.len() {
        table[bytes[index] as usize] = true;
        index += 1;
    }
    table
}

/// What a word may be in a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordKind {
    /// Text that tells lines apart.
    Text,
    /// A word with a digit in it: says little about the line's kind, but stays where it is always the same.
    Number,
    /// What stands before `=`: lines with other keys are of another kind.
    Key,
    /// Can be no literal, for a pattern would take it for a placeholder.
    Never,
}

/// A word: where it lies in the line.
#[derive(Clone, Debug)]
pub struct Word {
    pub at: Range<usize>,
    pub kind: WordKind,
}

/// A line's words, kept from line to line for their memory.
#[derive(Default)]
pub struct Words {
    pub words: Vec<Word>,
    /// The part of the line that the pattern spells out: all of it, or the message of a JSON object.
    pub part: Range<usize>,
}

impl Words {
    /// Cut a line; false if it can have no pattern.
    pub fn cut(&mut self, line: &[u8]) -> bool {
        self.words.clear();
        if line.is_empty() || line.len() > LINE_BYTES_MAX {
            return false;
        }
        let (part, text, table) = match message_of(line) {
            Some((member, message)) => (member, message, &TEXT_SEPARATORS),
            None if line[0] == b'{' => (0..line.len(), 0..line.len(), &JSON_SEPARATORS),
            None => (0..line.len(), 0..line.len(), &TEXT_SEPARATORS),
        };
        self.part = part;
        let is_separator = |byte: &u8| table[*byte as usize];
        let mut at = text.start;
        while let Some(skipped) = line[at..text.end].iter().position(|byte| !is_separator(byte)) {
            let start = at + skipped;
            let length = line[start..text.end].iter().position(is_separator);
            let end = length.map_or(text.end, |length| start + length);
            if self.words.len() == WORDS_MAX {
                return false;
            }
            self.words.push(Word { at: start..end, kind: kind_of(&line[start..end], line.get(end)) });
            at = end;
        }
        true
    }

    /// Whether the pattern leaves out what stands before and behind its part.
    pub fn is_open(&self, line: &[u8]) -> bool {
        self.part.len() < line.len()
    }

    /// What stands before a word, or behind the last.
    pub fn gap(&self, word: usize) -> Range<usize> {
        let start = if word == 0 { self.part.start } else { self.words[word - 1].at.end };
        start..self.words.get(word).map_or(self.part.end, |word| word.at.start)
    }
}

fn kind_of(word: &[u8], next: Option<&u8>) -> WordKind {
    if memchr::memchr(b'<', word).is_some() {
        WordKind::Never
    } else if next == Some(&b'=') {
        WordKind::Key
    } else if word.iter().any(u8::is_ascii_digit) {
        WordKind::Number
    } else {
        WordKind::Text
    }
}

/// Of a JSON object its message: the whole member, and the text of its value.
fn message_of(line: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    if line[0] != b'{' {
        return None;
    }
    let mut next = object_start(line, 0).ok()?;
    while let Some(at) = next {
        if line[at] != b'"' {
            return None;
        }
        let key = key_at(line, at).ok()?;
        let value = value_at(line, key.end).ok()?;
        if MESSAGE_KEYS.contains(&&line[key.text]) && matches!(value.kind, Kind::String { .. }) {
            // The member must be found where it is, not in an object before it.
            let opening = at..value.text.start;
            let is_first = memmem::find(line, &line[opening.clone()]) == Some(at);
            let spelt = memchr::memchr(b'<', &line[opening]).is_none();
            return (is_first && spelt && value.end < line.len()).then_some((at..value.end, value.text));
        }
        next = next_key(line, value.end).ok()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &str) -> Option<Vec<(String, WordKind)>> {
        let mut words = Words::default();
        let text = |range: &Range<usize>| line[range.clone()].to_owned();
        words.cut(line.as_bytes()).then(|| words.words.iter().map(|word| (text(&word.at), word.kind)).collect())
    }

    #[test]
    fn cuts_words_of_kinds() {
        let owned =
            |pairs: &[(&str, WordKind)]| Some(pairs.iter().map(|(text, kind)| ((*text).to_owned(), *kind)).collect());
        use WordKind::{Key, Never, Number, Text};
        assert_eq!(
            cut("a  b1 (c=d) <e>"),
            owned(&[("a", Text), ("b1", Number), ("c", Key), ("d", Text), ("<e>", Never)])
        );
        assert_eq!(
            cut(r#"{"n":1,"msg": "user x1 \"in\"","z":2}"#),
            owned(&[("user", Text), ("x1", Number), ("\\", Text), ("in\\", Text)])
        );
        assert_eq!(cut(r#"{"n":1}"#), owned(&[("n", Text), ("1", Number)]));
        assert_eq!(cut("=="), owned(&[]));
        assert_eq!(cut(""), None);
        assert_eq!(cut(&"x ".repeat(513)), None);
    }

    #[test]
    fn a_message_that_is_found_earlier_is_none() {
        assert!(message_of(br#"{"o":{"msg":"a"},"msg":"b"}"#).is_none());
        assert!(message_of(br#"{"o":{"msg":1},"msg":"b"}"#).is_some());
        assert!(message_of(br#"{"msg":1}"#).is_none() && message_of(br#"{"msg":"a""#).is_none());
    }
}
