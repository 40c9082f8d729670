//! The word search of `detected_level`: the first level word that stands alone in a line.

use crate::level::Level;

/// Bytes examined at once; sized for one vector register of every 64-bit machine.
const CHUNK: usize = 16;

/// The level of the earliest word of `trace debug fatal critical error err warning warn info`, in any case, with one
/// of the accepted neighbours on each side.
pub(super) fn find(line: &[u8]) -> Option<Level> {
    if let Some(level) = word_at(line, 0) {
        return Some(level);
    }
    let mut at = 1;
    // A chunk is looked at with the byte before and the byte after it.
    while let Some(around) = line.get(at - 1..).and_then(|rest| rest.first_chunk()) {
        let marks = word_starts(around);
        if marks != 0
            && let Some(level) = first_word(line, at, marks)
        {
            return Some(level);
        }
        at += CHUNK;
    }
    if line.len() >= CHUNK + 2 {
        // What is left is looked at with some of what was seen before.
        at = line.len() - CHUNK - 1;
        return line[at - 1..].first_chunk().and_then(|around| first_word(line, at, word_starts(around)));
    }
    (at..line.len()).filter(|&at| precedes_word(line[at - 1])).find_map(|at| word_at(line, at))
}

/// The first word that stands at one of the marked bytes from `at` on.
fn first_word(line: &[u8], at: usize, mut marks: u128) -> Option<Level> {
    while marks != 0 {
        let place = marks.trailing_zeros() as usize / 8;
        if let Some(level) = word_at(line, at + place) {
            return Some(level);
        }
        marks &= !(0xff << (place * 8));
    }
    None
}

/// One byte for each but the first and the last: non-zero where a level word may begin, for its neighbour before and
/// its first two letters fit. Written without branches over arrays of fixed size, which compilers turn into vector
/// instructions.
#[inline(always)]
fn word_starts(around: &[u8; CHUNK + 2]) -> u128 {
    let mut marks = [0; CHUNK];
    for i in 0..CHUNK {
        let (a, b) = (around[i + 1] | 0x20, around[i + 2] | 0x20);
        let letters = ((b == b'r') & ((a == b't') | (a == b'c') | (a == b'e')))
            | ((b == b'a') & ((a == b'f') | (a == b'w')))
            | ((a == b'd') & (b == b'e'))
            | ((a == b'i') & (b == b'n'));
        marks[i] = u8::from(letters & precedes_word(around[i]));
    }
    u128::from_le_bytes(marks)
}

/// Start, blank, tab, newline or one of `[({,"=`; bytes that differ in one bit are tested together.
#[inline(always)]
fn precedes_word(b: u8) -> bool {
    (b & !0x02 == b' ') // and "
        | (b & !0x04 == b'(') // and ,
        | (b | 0x20 == b'{') // and [
        | (b == b'=')
        | (b == b'\t')
        | (b == b'\n')
}

fn follows_word(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b':' | b',' | b'!' | b'"' | b'=')
}

fn word_at(line: &[u8], at: usize) -> Option<Level> {
    let words: &[(&[u8], Level)] = match line.get(at)? | 0x20 {
        b't' => &[(b"trace", Level::Trace)],
        b'd' => &[(b"debug", Level::Debug)],
        b'f' => &[(b"fatal", Level::Fatal)],
        b'c' => &[(b"critical", Level::Critical)],
        b'e' => &[(b"error", Level::Error), (b"err", Level::Error)],
        b'w' => &[(b"warning", Level::Warn), (b"warn", Level::Warn)],
        b'i' => &[(b"info", Level::Info)],
        _ => return None,
    };
    let stands_alone = |word: &[u8]| {
        let end = at + word.len();
        line.get(at..end).is_some_and(|text| text.eq_ignore_ascii_case(word))
            && line.get(end).is_none_or(|&b| follows_word(b))
    };
    words.iter().find(|(word, _)| stands_alone(word)).map(|&(_, level)| level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_before_a_word() {
        let accepted: Vec<u8> = (0..=255).filter(|&b| precedes_word(b)).collect();
        assert_eq!(accepted, b"\t\n \"(,=[{");
    }

    #[test]
    fn words_that_stand_alone() {
        let cases = [
            ("[ERROR] x", Some(Level::Error)),
            ("error: x", Some(Level::Error)),
            ("x \"error\" y", Some(Level::Error)),
            ("errors everywhere", None),
            ("misc:error x", None),
            ("<error>", None),
            ("panic: x", None),
            ("Information ok", None),
            ("err=nil all good", Some(Level::Error)),
            ("terror and errorless", None),
            ("x error: y info", Some(Level::Error)),
            ("an Info here, no error", Some(Level::Info)),
            ("a long line, long enough for several chunks, ends with WARNING", Some(Level::Warn)),
            ("a long line, long enough for several chunks (critical) and goes on", Some(Level::Critical)),
            ("err", Some(Level::Error)),
            ("", None),
        ];
        for (line, level) in cases {
            assert_eq!(find(line.as_bytes()), level, "{line}");
        }
    }

    /// The rule word by word, without chunks.
    fn plainly(line: &[u8]) -> Option<Level> {
        (0..line.len()).filter(|&at| at == 0 || precedes_word(line[at - 1])).find_map(|at| word_at(line, at))
    }

    proptest! {
        #[test]
        fn chunks_find_what_a_plain_search_finds(
            parts in proptest::collection::vec("[ \\[(,x=]{0,6}|error|WARN|info|trace|in|der|critical:", 0..16)
        ) {
            let line = parts.concat();
            prop_assert_eq!(find(line.as_bytes()), plainly(line.as_bytes()));
        }
    }
}
