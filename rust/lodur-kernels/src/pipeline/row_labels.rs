//! The labels of one row on its way through a pipeline: stream labels, structured metadata, parsed labels, errors.
//!
//! Parsed labels shadow structured metadata, which shadows stream labels. A name found in a line that one of the other
//! two has becomes `name_extracted`, and so does structured metadata whose name is a stream label's.
//! Texts are borrowed from the block wherever they stand there as they are. Series keys are made in `group_key`.

use std::borrow::Cow;
use std::cmp::Ordering;

use hashbrown::HashSet;

use super::hints::Hints;
use super::label_name::{EXTRACTED_SUFFIX, name_bit};
use crate::batch::Metadata;
use crate::labels::LabelSet;
use crate::level::{LEVEL_NAME, Level};

pub const ERROR_NAME: &str = "__error__";
pub const ERROR_DETAILS_NAME: &str = "__error_details__";

/// Parsed labels that are searched one by one; a line may have a hundred thousand.
const INDEX_FROM: usize = 64;

/// Largest line whose memory is kept for later rows.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// A name or value: UTF-8 as far as the stored line is.
pub type Text<'a> = Cow<'a, [u8]>;

/// Where a label comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    Stream,
    StructuredMetadata,
    Parsed,
}

/// The values of `__error__`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    JsonParser,
    LogfmtParser,
    LabelFilter,
    TemplateFormat,
    SampleExtraction,
}

impl ErrorKind {
    pub fn text(self) -> &'static str {
        match self {
            ErrorKind::JsonParser => "JSONParserErr",
            ErrorKind::LogfmtParser => "LogfmtParserErr",
            ErrorKind::LabelFilter => "LabelFilterErr",
            ErrorKind::TemplateFormat => "TemplateFormatErr",
            ErrorKind::SampleExtraction => "SampleExtractionErr",
        }
    }
}

/// What `unwrap` made of a row.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum UnwrapResult {
    /// The pipeline has no `unwrap` (rows without the label do not pass).
    #[default]
    Missing,
    Value(f64),
    /// The value could not be converted; the row carries `SampleExtractionErr`.
    Error,
}

/// The structured metadata of one row, without `detected_level` in a normal form.
#[derive(Clone, Copy, Debug)]
pub struct MetaRef<'a> {
    metadata: Option<&'a Metadata>,
    row: usize,
}

impl<'a> MetaRef<'a> {
    pub fn new(metadata: &'a Metadata, row: usize) -> Self {
        MetaRef { metadata: Some(metadata), row }
    }

    pub fn none() -> Self {
        MetaRef { metadata: None, row: 0 }
    }

    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.metadata.into_iter().flat_map(move |metadata| metadata.of(self.row))
    }
}

/// One row as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct RowInput<'a> {
    pub ts_ns: i64,
    pub line: &'a [u8],
    pub stream: &'a LabelSet,
    pub level: Level,
    pub meta: MetaRef<'a>,
}

#[derive(Debug)]
struct Label<'a> {
    name: Text<'a>,
    value: Text<'a>,
}

/// Use one for all rows of a block: its memory is kept from row to row.
#[derive(Debug, Default)]
pub struct RowLabels<'a> {
    ts_ns: i64,
    pub(super) line: Text<'a>,
    /// Memory of a line that an earlier row was given, for the next that is made.
    pub(super) spare: Vec<u8>,
    stream: Option<&'a LabelSet>,
    /// Bits of the names of `stream`.
    stream_bits: u64,
    /// Positions in `stream` that were dropped.
    stream_dropped: Vec<usize>,
    meta: Vec<Label<'a>>,
    meta_bits: u64,
    parsed: Vec<Label<'a>>,
    parsed_bits: u64,
    /// The names of `parsed` where they are more than `INDEX_FROM`, else nothing.
    parsed_index: HashSet<Box<[u8]>>,
    /// Needed labels found by parsers.
    finds: usize,
    /// A label was found that a later stage will not let pass.
    rejected: bool,
    error: Option<ErrorKind>,
    error_details: Option<Cow<'static, str>>,
    pub(super) unwrapped: UnwrapResult,
    /// Name being put together by a parser.
    pub(super) prefix: Vec<u8>,
    /// What stages have done beyond the usual for a row, in rows that would have cost as much.
    pub(super) work: usize,
    /// Places of captures, by stage.
    pub(super) captures: Vec<Option<regex::bytes::CaptureLocations>>,
}

impl<'a> RowLabels<'a> {
    pub fn new() -> Self {
        RowLabels::default()
    }

    /// Start over with a stored row. `Pipeline::process` does this itself.
    pub fn begin(&mut self, row: RowInput<'a>) {
        self.ts_ns = row.ts_ns;
        if let Cow::Owned(made) = std::mem::replace(&mut self.line, Cow::Borrowed(row.line)) {
            self.keep_spare(made);
        }
        if !self.stream.is_some_and(|stream| std::ptr::eq(stream, row.stream)) {
            self.stream = Some(row.stream);
            self.stream_bits = row.stream.iter().fold(0, |bits, (name, _)| bits | name_bit(name.as_bytes()));
        }
        self.stream_dropped.clear();
        self.meta.clear();
        self.meta_bits = 0;
        self.parsed.clear();
        self.parsed_bits = 0;
        if !self.parsed_index.is_empty() {
            self.parsed_index = HashSet::new();
        }
        self.finds = 0;
        self.rejected = false;
        self.error = None;
        self.error_details = None;
        self.unwrapped = UnwrapResult::Missing;
        for (name, value) in row.meta.iter() {
            self.add_meta(name, value);
        }
        if row.level != Level::None {
            self.add_meta(LEVEL_NAME, row.level.text());
        }
    }

    fn keep_spare(&mut self, mut made: Vec<u8>) {
        if made.capacity() > self.spare.capacity() && made.capacity() <= SPARE_BYTES_MAX {
            made.clear();
            self.spare = made;
        }
    }

    fn add_meta(&mut self, name: &'a str, value: &'a str) {
        let name = if self.stream_label(name.as_bytes()).is_some() {
            Cow::Owned([name, EXTRACTED_SUFFIX].concat().into_bytes())
        } else {
            Cow::Borrowed(name.as_bytes())
        };
        self.meta_bits |= name_bit(&name);
        self.meta.push(Label { name, value: Cow::Borrowed(value.as_bytes()) });
    }

    pub fn ts_ns(&self) -> i64 {
        self.ts_ns
    }

    /// What the rows so far cost beyond the usual, in rows; asked by those who look at a flag every so many rows.
    pub fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    /// The line as later stages and the caller see it.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    pub fn unwrapped(&self) -> UnwrapResult {
        self.unwrapped
    }

    pub fn error(&self) -> Option<ErrorKind> {
        self.error
    }

    pub fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// The value of a label that a parser found under the name of errors.
    pub(super) fn error_field(&self) -> Option<&[u8]> {
        let name = ERROR_NAME.as_bytes();
        if self.parsed_bits & name_bit(name) == 0 {
            return None;
        }
        self.parsed.iter().find(|label| *label.name == *name).map(|label| &*label.value).filter(|text| !text.is_empty())
    }

    pub fn error_details(&self) -> &str {
        self.error_details.as_deref().unwrap_or("")
    }

    pub(super) fn set_error(&mut self, kind: ErrorKind, details: impl Into<Cow<'static, str>>) {
        self.error = Some(kind);
        let details = details.into();
        self.error_details = if details.is_empty() { None } else { Some(details) };
    }

    /// The value of a label; names that are not there read as None, empty values as empty.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        if name.starts_with("__error") {
            match (name, self.error) {
                (ERROR_NAME, Some(error)) => return Some(error.text().as_bytes()),
                (ERROR_DETAILS_NAME, _) if self.error_details.is_some() => {
                    return Some(self.error_details().as_bytes());
                }
                _ => {}
            }
        }
        let name = name.as_bytes();
        let bit = name_bit(name);
        if self.parsed_bits & bit != 0
            && let Some(label) = self.parsed.iter().find(|label| *label.name == *name)
        {
            return Some(&label.value);
        }
        if self.meta_bits & bit != 0
            && let Some(label) = self.meta.iter().find(|label| *label.name == *name)
        {
            return Some(&label.value);
        }
        self.stream_label(name)
    }

    fn stream_label(&self, name: &[u8]) -> Option<&'a [u8]> {
        if self.stream_bits & name_bit(name) == 0 {
            return None;
        }
        let stream = self.stream?;
        let at = stream.iter().position(|(known, _)| known.as_bytes() == name)?;
        if self.stream_dropped.contains(&at) {
            return None;
        }
        stream.iter().nth(at).map(|(_, value)| value.as_bytes())
    }

    /// Whether the stream labels or the structured metadata have the name.
    fn is_taken(&self, name: &[u8]) -> bool {
        let bit = name_bit(name);
        (self.stream_bits & bit != 0
            && self.stream.is_some_and(|stream| stream.iter().any(|(known, _)| known.as_bytes() == name)))
            || (self.meta_bits & bit != 0 && self.meta.iter().any(|label| *label.name == *name))
    }

    fn is_parsed(&self, name: &[u8]) -> bool {
        if self.parsed_bits & name_bit(name) == 0 {
            return false;
        }
        if self.parsed.len() > INDEX_FROM {
            return self.parsed_index.contains(name);
        }
        self.parsed.iter().any(|label| *label.name == *name)
    }

    /// Add what a parser found; false when nothing more is needed or the row cannot pass. The first find of a name wins.
    #[inline]
    pub(super) fn extract(&mut self, name: Text<'a>, value: Text<'a>, hints: &Hints) -> bool {
        if !hints.wants_key(&name) {
            return true;
        }
        let name = if self.is_taken(&name) { Cow::Owned([&*name, EXTRACTED_SUFFIX.as_bytes()].concat()) } else { name };
        if self.is_parsed(&name) {
            return true;
        }
        if !hints.admits(&name, &value) {
            self.rejected = true;
            return false;
        }
        self.add_parsed(name, value, hints)
    }

    fn add_parsed(&mut self, name: Text<'a>, value: Text<'a>, hints: &Hints) -> bool {
        if !hints.wants(&name) {
            return true;
        }
        self.push_parsed(name, value);
        self.finds += 1;
        !hints.satisfied_by(self.finds)
    }

    /// Set the label that an extraction names, over what an earlier pair or parser found; false when nothing more is
    /// needed.
    pub(super) fn set_extraction(&mut self, name: &'a [u8], value: Text<'a>, hints: &Hints) -> bool {
        let name = if self.is_taken(name) {
            Cow::Owned([name, EXTRACTED_SUFFIX.as_bytes()].concat())
        } else {
            Cow::Borrowed(name)
        };
        if let Some(label) = self.parsed.iter_mut().find(|label| label.name == name) {
            label.value = value;
            return true;
        }
        self.add_parsed(name, value, hints)
    }

    /// The empty label of an extraction that found nothing, unless the name has a value already.
    pub(super) fn extract_missing(&mut self, name: &'a [u8], hints: &Hints) {
        if !self.rejected && !self.is_taken(name) && !self.is_parsed(name) {
            self.add_parsed(Cow::Borrowed(name), Cow::Borrowed(b""), hints);
        }
    }

    /// Set a label, over what any other stage or the stored row has under its name.
    pub(super) fn set_label(&mut self, name: &'a [u8], value: Text<'a>) {
        if let Some(label) = self.parsed.iter_mut().find(|label| *label.name == *name) {
            label.value = value;
            return;
        }
        self.push_parsed(Cow::Borrowed(name), value);
    }

    fn push_parsed(&mut self, name: Text<'a>, value: Text<'a>) {
        self.parsed_bits |= name_bit(&name);
        self.parsed.push(Label { name, value });
        match self.parsed.len().cmp(&(INDEX_FROM + 1)) {
            Ordering::Less => {}
            Ordering::Equal => self.index_parsed(),
            Ordering::Greater => {
                let name = self.parsed.last().map(|label| label.name.as_ref().into());
                self.parsed_index.extend(name);
            }
        }
    }

    /// To be called when labels were taken out of `parsed`.
    fn index_parsed(&mut self) {
        self.parsed_index.clear();
        if self.parsed.len() > INDEX_FROM {
            self.parsed_index.extend(self.parsed.iter().map(|label| Box::from(label.name.as_ref())));
        }
    }

    /// Give the value of a label, if there is one, to another name; then the label goes. Errors are no labels here.
    pub(super) fn rename(&mut self, source: &[u8], name: &'a [u8]) {
        let parsed = self.parsed.iter().find(|label| *label.name == *source);
        let held = parsed.or_else(|| self.meta.iter().find(|label| *label.name == *source));
        let value = held.map(|label| label.value.clone()).or_else(|| self.stream_label(source).map(Cow::Borrowed));
        let Some(value) = value else { return };
        self.set_label(name, value);
        self.drop_named(source);
    }

    fn drop_named(&mut self, name: &[u8]) {
        let stream_at = self.stream.and_then(|stream| stream.iter().position(|(known, _)| known.as_bytes() == name));
        if let Some(at) = stream_at
            && !self.stream_dropped.contains(&at)
        {
            self.stream_dropped.push(at);
        }
        self.meta.retain(|label| *label.name != *name);
        self.parsed.retain(|label| *label.name != *name);
        self.index_parsed();
    }

    pub(super) fn is_rejected(&self) -> bool {
        self.rejected
    }

    pub(super) fn is_satisfied(&self, hints: &Hints) -> bool {
        hints.satisfied_by(self.finds)
    }

    /// Drop every label for which `goes` holds; errors are asked about under their names.
    pub(super) fn drop_labels(&mut self, goes: impl Fn(&[u8], &[u8]) -> bool) {
        if let Some(stream) = self.stream {
            for (at, (name, value)) in stream.iter().enumerate() {
                if goes(name.as_bytes(), value.as_bytes()) && !self.stream_dropped.contains(&at) {
                    self.stream_dropped.push(at);
                }
            }
        }
        self.meta.retain(|label| !goes(&label.name, &label.value));
        self.parsed.retain(|label| !goes(&label.name, &label.value));
        self.index_parsed();
        if self.error.is_some_and(|error| goes(ERROR_NAME.as_bytes(), error.text().as_bytes())) {
            self.error = None;
        }
        if self.error_details.as_deref().is_some_and(|text| goes(ERROR_DETAILS_NAME.as_bytes(), text.as_bytes())) {
            self.error_details = None;
        }
    }

    /// Visit every label that is left, each name once with the value that counts, in no particular order.
    pub fn each<'s>(&'s self, mut visit: impl FnMut(Category, &'s [u8], &'s [u8])) {
        for (at, (name, value)) in self.stream.into_iter().flat_map(LabelSet::iter).enumerate() {
            let name = name.as_bytes();
            let dropped = !self.stream_dropped.is_empty() && self.stream_dropped.contains(&at);
            if !dropped && !self.is_parsed(name) {
                visit(Category::Stream, name, value.as_bytes());
            }
        }
        for label in &self.meta {
            if !self.is_parsed(&label.name) {
                visit(Category::StructuredMetadata, &label.name, &label.value);
            }
        }
        for label in &self.parsed {
            let overruled = (self.error.is_some() && *label.name == *ERROR_NAME.as_bytes())
                || (self.error_details.is_some() && *label.name == *ERROR_DETAILS_NAME.as_bytes());
            if !overruled {
                visit(Category::Parsed, &label.name, &label.value);
            }
        }
        if let Some(error) = self.error {
            visit(Category::Parsed, ERROR_NAME.as_bytes(), error.text().as_bytes());
        }
        if let Some(details) = &self.error_details {
            visit(Category::Parsed, ERROR_DETAILS_NAME.as_bytes(), details.as_bytes());
        }
    }
}

/// How long texts taken from a line live: as long as the block if the line stands there, else they are copied.
pub(super) trait Lend<'l, 'a> {
    fn lend(text: Text<'l>) -> Text<'a>;
}

/// The line lies in the block.
pub(super) struct FromBlock;

impl<'a> Lend<'a, 'a> for FromBlock {
    #[inline]
    fn lend(text: Text<'a>) -> Text<'a> {
        text
    }
}

/// The line was made by an earlier stage.
pub(super) struct FromStage;

impl<'l, 'a> Lend<'l, 'a> for FromStage {
    fn lend(text: Text<'l>) -> Text<'a> {
        Cow::Owned(text.into_owned())
    }
}
