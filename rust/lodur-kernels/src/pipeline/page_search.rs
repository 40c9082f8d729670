//! One search over the lines of many rows, hits mapped back to rows.
//!
//! Lines lie one after another without separators, so a hit may run over the end of its row; such a hit is none, and
//! the search goes on behind its start. Only needles whose hits are short are searched for like this (see
//! `HIT_BYTES_MAX`): one that could run on would be looked for again and again over the whole page.

use std::ops::Range;

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use super::bitmap::Bitmap;
use super::go_regex::COMPILED_BYTES_MAX;

/// Longest possible hit of an expression that is searched for over many rows at once.
pub const HIT_BYTES_MAX: usize = 256;

/// What is looked for. Every hit is at least one byte long.
#[derive(Clone, Debug)]
pub enum Needle {
    Literal(Box<Finder<'static>>),
    /// An expression without look-around whose hits are at most `HIT_BYTES_MAX` long (or literals of the query).
    Expression(Regex),
}

/// The rows of one page of lines.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    pub lines: &'a [u8],
    pub line_ends: &'a [u32],
}

impl<'a> Page<'a> {
    pub fn start_of(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.line_ends[row - 1] as usize }
    }

    pub fn end_of(&self, row: usize) -> usize {
        self.line_ends[row] as usize
    }

    pub fn line(&self, row: usize) -> &'a [u8] {
        &self.lines[self.start_of(row)..self.end_of(row)]
    }
}

impl Needle {
    pub fn literal(text: &[u8]) -> Needle {
        Needle::Literal(Box::new(Finder::new(text).into_owned()))
    }

    /// Any of several literals, exactly or but for ASCII case.
    ///
    /// The `regex` crate picks a vector search over whole literals; an `AhoCorasick` looks for their first bytes, which
    /// are everywhere. None if they are too many for it.
    pub fn literals(texts: &[&[u8]], any_case: bool) -> Option<Needle> {
        let branches: Vec<String> = texts.iter().map(|text| escaped(text)).collect();
        let flags = if any_case { "(?i-u:" } else { "(?-u:" };
        let regex = RegexBuilder::new(&format!("{flags}{})", branches.join("|")))
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .ok()?;
        Some(Needle::Expression(regex))
    }

    pub fn is_match(&self, line: &[u8]) -> bool {
        match self {
            Needle::Literal(finder) => finder.find(line).is_some(),
            Needle::Expression(regex) => regex.is_match(line),
        }
    }

    /// First hit at or after `at` and before `end`.
    fn find(&self, lines: &[u8], at: usize, end: usize) -> Option<Range<usize>> {
        match self {
            Needle::Literal(finder) => {
                let start = at + finder.find(&lines[at..end])?;
                Some(start..start + finder.needle().len())
            }
            Needle::Expression(regex) => regex.find_at(&lines[..end], at).map(|hit| hit.range()),
        }
    }

    /// Set the rows of the range whose line holds a hit.
    pub fn mark(&self, page: Page<'_>, rows: Range<usize>, found: &mut Bitmap) {
        if rows.is_empty() {
            return;
        }
        let end = page.end_of(rows.end - 1);
        let mut row = rows.start;
        let mut at = page.start_of(row);
        while let Some(hit) = self.find(page.lines, at, end) {
            while page.end_of(row) <= hit.start {
                row += 1;
            }
            let row_end = page.end_of(row);
            if hit.end > row_end {
                // Over the end of its row: the row may still hold a shorter hit, then the next row is begun.
                match self {
                    Needle::Literal(_) => {
                        at = hit.start + 1;
                        continue;
                    }
                    Needle::Expression(regex) if !regex.is_match(page.line(row)) => {
                        at = row_end;
                        continue;
                    }
                    Needle::Expression(_) => {}
                }
            }
            found.set(row);
            at = row_end;
        }
    }
}

/// A literal as an expression that matches its bytes.
fn escaped(literal: &[u8]) -> String {
    literal.iter().map(|byte| format!("\\x{byte:02X}")).collect()
}
