//! Streams and entries, as a format's reader finds them, to a checked `Batch`.
//!
//! The readers call `open_stream`, then `entry` for each entry, then `close_stream`; this module knows no format.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::batch::{Batch, MetaPair, Rows, Run};
use crate::error::{KernelError, Result};
use crate::labels::LabelSet;
use crate::level::{LEVEL_NAME, Level};

use super::generic_fields::GenericFields;
use super::label_text::LabelPairs;
use super::level_detect::{FieldLevel, LevelDetector, exact_form, of_severity_number};
use super::limits::{ENTRIES_MAX, PushLimits};
use super::metadata::{MetadataWriter, NameRole, RawPair};
use super::problems::Problems;
use super::validate::{Refusal, check_labels};
use super::{DecodedPush, StreamStats, text};

/// Texts made for one reason in one stream; making one costs as much as the stream's labels are long.
const TEXTS_PER_STREAM_MAX: u32 = 10;

/// Reasons for which single entries are refused.
#[derive(Clone, Copy)]
enum EntryReason {
    TooOld,
    TooNew,
    LineTooLong,
    MetadataDisallowed,
    MetadataTooLarge,
    MetadataTooMany,
}

const ENTRY_REASONS: [&str; 6] = [
    "greater_than_max_sample_age",
    "too_far_in_future",
    "line_too_long",
    "disallowed_structured_metadata",
    "structured_metadata_too_large",
    "structured_metadata_too_many",
];

/// A stream that is being read.
pub(super) enum OpenStream {
    Accepted(Box<AcceptedStream>),
    /// With the place of its problem.
    Refused(usize),
}

pub(super) struct AcceptedStream {
    labels: Arc<LabelSet>,
    first_row: usize,
    /// The level that the labels give to all entries, and its pair in the metadata where it is no normal form.
    level: Option<FieldLevel>,
    level_pair: Option<MetaPair>,
    /// Of the fields that are wanted in the metadata, what the labels give.
    generic: Vec<Option<Box<str>>>,
    lines: u64,
    bytes: u64,
    previous_ts_ns: i64,
    /// Per `EntryReason` how many texts were made and the place of the last.
    raised: [(u32, usize); ENTRY_REASONS.len()],
}

pub(super) struct Assembler<'l> {
    limits: &'l PushLimits,
    oldest_ns: i64,
    newest_ns: i64,
    rows: Rows,
    meta: MetadataWriter,
    streams: Vec<Arc<LabelSet>>,
    stream_ids: HashMap<Arc<LabelSet>, u32>,
    stream_stats: Vec<StreamStats>,
    runs: Vec<Run>,
    problems: Problems,
    received_streams: u64,
    received_lines: u64,
    received_bytes: u64,
    truncated_lines: u64,
    truncated_bytes: u64,
    shifted_lines: u64,
}

impl<'l> Assembler<'l> {
    /// `text_bytes` is about how many bytes of lines there will be.
    pub(super) fn new(limits: &'l PushLimits, now_ns: i64, text_bytes: usize) -> Self {
        let values = &limits.values;
        let oldest_ns = match values.reject_old_samples {
            true => now_ns.saturating_sub(values.reject_old_samples_max_age_ns),
            false => i64::MIN,
        };
        Assembler {
            limits,
            oldest_ns,
            newest_ns: now_ns.saturating_add(values.creation_grace_period_ns),
            rows: Rows { lines: Vec::with_capacity(text_bytes), ..Rows::default() },
            meta: MetadataWriter::default(),
            streams: Vec::new(),
            stream_ids: HashMap::new(),
            stream_stats: Vec::new(),
            runs: Vec::new(),
            problems: Problems::default(),
            received_streams: 0,
            received_lines: 0,
            received_bytes: 0,
            truncated_lines: 0,
            truncated_bytes: 0,
            shifted_lines: 0,
        }
    }

    /// Counts a stream without entries, of which nothing else is known or checked.
    pub(super) fn empty_stream(&mut self) {
        self.received_streams += 1;
    }

    /// Begins a stream that has entries, with its labels in any order or the reason why they cannot be read.
    pub(super) fn open_stream(&mut self, labels: std::result::Result<LabelPairs, Refusal>) -> OpenStream {
        self.received_streams += 1;
        let pairs = match labels.and_then(|pairs| check_labels(pairs, self.limits)) {
            Ok(pairs) => pairs,
            Err(refusal) => return OpenStream::Refused(self.problems.raise(refusal.reason, 400, refusal.message)),
        };
        let level = self.limits.detector.as_ref().and_then(|detector| stream_level(&pairs, detector));
        let level_pair = match &level {
            Some(FieldLevel::Verbatim(value)) => Some(self.meta.put_level_text(value)),
            _ => None,
        };
        let generic = self.limits.generic.as_ref().map(|fields| fields.of_labels(&pairs)).unwrap_or_default();
        OpenStream::Accepted(Box::new(AcceptedStream {
            generic,
            labels: Arc::new(LabelSet::from_pairs(pairs)),
            first_row: self.rows.len(),
            level,
            level_pair,
            lines: 0,
            bytes: 0,
            previous_ts_ns: 0,
            raised: [(0, 0); ENTRY_REASONS.len()],
        }))
    }

    /// Checks an entry and takes it, or counts it as refused. An error refuses the whole body.
    pub(super) fn entry(
        &mut self,
        stream: &mut OpenStream,
        ts_ns: i64,
        line: &[u8],
        pairs: &[RawPair<'_>],
    ) -> Result<()> {
        let metadata_bytes = pairs.iter().map(|pair| pair.name.len() + pair.value.len()).sum::<usize>();
        let bytes = (line.len() + metadata_bytes) as u64;
        self.received_lines += 1;
        self.received_bytes += bytes;
        if self.received_lines > ENTRIES_MAX as u64 {
            return Err(too_many_entries());
        }
        let stream = match stream {
            OpenStream::Accepted(stream) => stream,
            OpenStream::Refused(problem) => {
                self.problems.add(*problem, 1, bytes);
                return Ok(());
            }
        };
        if let Some(reason) = self.entry_refusal(ts_ns, line, pairs.len(), metadata_bytes) {
            self.refuse_entry(stream, reason, ts_ns, line.len(), pairs.len(), metadata_bytes);
            self.problems.add(stream.raised[reason as usize].1, 1, bytes);
            return Ok(());
        }
        self.meta.open_row(pairs, self.limits.detector.as_ref())?;
        let kept_bytes = self.take_entry(stream, ts_ns, line);
        stream.lines += 1;
        stream.bytes += (kept_bytes + metadata_bytes) as u64;
        Ok(())
    }

    /// Adds the row of an accepted entry, whose metadata is the open row, and gives the bytes kept of its line.
    #[inline]
    fn take_entry(&mut self, stream: &mut AcceptedStream, ts_ns: i64, line: &[u8]) -> usize {
        let (line, cut_mark) = self.fitted(line);
        let ts_ns = match self.limits.values.increment_duplicate_timestamp {
            true => self.distinct_time(stream, ts_ns, line, cut_mark),
            false => ts_ns,
        };
        let level = self.level(stream, line);
        if let Some(fields) = &self.limits.generic {
            self.add_generic(stream, line, fields);
        }
        let row = self.rows.len();
        self.rows.ts_ns.push(ts_ns);
        self.rows.lines.extend_from_slice(line);
        if !cut_mark.is_empty() {
            self.rows.lines.extend_from_slice(cut_mark.as_bytes());
        }
        self.rows.line_ends.push(self.rows.lines.len() as u32);
        self.rows.levels.push(level as u8);
        self.meta.close_row(row);
        line.len() + cut_mark.len()
    }

    /// Ends a stream; it becomes part of the batch if any of its entries did.
    pub(super) fn close_stream(&mut self, stream: OpenStream) {
        let OpenStream::Accepted(stream) = stream else { return };
        if stream.lines == 0 {
            return;
        }
        let id = match self.stream_ids.get(&stream.labels) {
            Some(&id) => id,
            None => {
                let id = self.streams.len() as u32;
                self.streams.push(Arc::clone(&stream.labels));
                self.stream_stats.push(StreamStats::default());
                self.stream_ids.insert(stream.labels, id);
                id
            }
        };
        let stats = &mut self.stream_stats[id as usize];
        stats.lines += stream.lines;
        stats.bytes += stream.bytes;
        self.runs.push(Run { stream: id, start: stream.first_row as u32, end: self.rows.len() as u32 });
    }

    pub(super) fn finish(mut self) -> DecodedPush {
        if self.received_streams == 0 {
            self.problems.raise("missing_streams", 422, text::NO_STREAMS.to_owned());
        }
        make_text_valid(&mut self.rows);
        self.rows.lines.shrink_to_fit();
        self.rows.ts_ns.shrink_to_fit();
        self.rows.line_ends.shrink_to_fit();
        self.rows.levels.shrink_to_fit();
        self.rows.meta = self.meta.finish();
        let problems = self.problems.into_list();
        DecodedPush {
            all_accepted: problems.is_empty() && self.truncated_lines == 0 && self.shifted_lines == 0,
            accepted_lines: self.stream_stats.iter().map(|stats| stats.lines).sum(),
            accepted_bytes: self.stream_stats.iter().map(|stats| stats.bytes).sum(),
            batch: Batch { streams: self.streams, runs: self.runs, rows: self.rows },
            problems,
            stream_stats: self.stream_stats,
            received_streams: self.received_streams,
            received_lines: self.received_lines,
            received_bytes: self.received_bytes,
            truncated_lines: self.truncated_lines,
            truncated_bytes: self.truncated_bytes,
        }
    }

    #[inline]
    fn entry_refusal(&self, ts_ns: i64, line: &[u8], pairs: usize, metadata_bytes: usize) -> Option<EntryReason> {
        let limits = &self.limits.values;
        if ts_ns < self.oldest_ns {
            return Some(EntryReason::TooOld);
        }
        if ts_ns > self.newest_ns {
            return Some(EntryReason::TooNew);
        }
        if passes(line.len(), limits.max_line_size_bytes) && !limits.max_line_size_truncate {
            return Some(EntryReason::LineTooLong);
        }
        if pairs == 0 {
            return None;
        }
        if !limits.allow_structured_metadata {
            return Some(EntryReason::MetadataDisallowed);
        }
        if passes(metadata_bytes, limits.max_structured_metadata_size_bytes) {
            return Some(EntryReason::MetadataTooLarge);
        }
        passes(pairs, limits.max_structured_metadata_entries_count).then_some(EntryReason::MetadataTooMany)
    }

    #[cold]
    fn refuse_entry(
        &mut self,
        stream: &mut AcceptedStream,
        reason: EntryReason,
        ts_ns: i64,
        line_bytes: usize,
        pairs: usize,
        metadata_bytes: usize,
    ) {
        let (made, place) = &mut stream.raised[reason as usize];
        if *made >= TEXTS_PER_STREAM_MAX {
            self.problems.raise_again(*place);
            return;
        }
        let limits = &self.limits.values;
        let name = stream.labels.to_string();
        let message = match reason {
            EntryReason::TooOld => text::too_old(&name, ts_ns, self.oldest_ns),
            EntryReason::TooNew => text::too_new(&name, ts_ns),
            EntryReason::LineTooLong => text::line_too_long(&name, line_bytes, limits.max_line_size_bytes),
            EntryReason::MetadataDisallowed => text::metadata_disallowed(&name),
            EntryReason::MetadataTooLarge => {
                text::metadata_too_large(&name, metadata_bytes, limits.max_structured_metadata_size_bytes)
            }
            EntryReason::MetadataTooMany => {
                text::metadata_too_many(&name, pairs, limits.max_structured_metadata_entries_count)
            }
        };
        *made += 1;
        *place = self.problems.raise(ENTRY_REASONS[reason as usize], 400, message);
    }

    /// The line, cut if it is too long, and what is to follow it. A line that is too long and not to be cut was refused.
    fn fitted<'a>(&mut self, line: &'a [u8]) -> (&'a [u8], &'l str) {
        let limits = &self.limits.values;
        if !passes(line.len(), limits.max_line_size_bytes) {
            return (line, "");
        }
        let mark = limits.max_line_size_truncate_identifier.as_str();
        let mark = if mark.len() < limits.max_line_size_bytes { mark } else { "" };
        let mut end = limits.max_line_size_bytes - mark.len();
        // Not within a character.
        while end > 0 && line[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        self.truncated_lines += 1;
        self.truncated_bytes += (line.len() - end) as u64;
        (&line[..end], mark)
    }

    /// `ts_ns`, or one nanosecond after the entry before if that had the same time and another line.
    fn distinct_time(&mut self, stream: &mut AcceptedStream, ts_ns: i64, line: &[u8], cut_mark: &str) -> i64 {
        let row = self.rows.len();
        let has_previous = row > stream.first_row;
        let repeats = has_previous && stream.previous_ts_ns == ts_ns;
        stream.previous_ts_ns = ts_ns;
        if !repeats {
            return ts_ns;
        }
        let given = self.rows.ts_ns[row - 1];
        let previous_line = self.rows.line(row - 1);
        let same_line = previous_line.strip_suffix(cut_mark.as_bytes()) == Some(line);
        let ts_ns = if same_line { given } else { given.saturating_add(1) };
        self.shifted_lines += 1;
        ts_ns
    }

    /// Copies the wanted fields into the open row that it does not have yet.
    fn add_generic(&mut self, stream: &AcceptedStream, line: &[u8], fields: &GenericFields) {
        let mut of_line = None;
        for (field, name) in fields.names().enumerate() {
            if self.meta.value_of(name).is_some() {
                continue;
            }
            let value =
                stream.generic[field].as_deref().or_else(|| fields.found(field, |source| self.meta.value_of(source)));
            let value: Option<Box<[u8]>> = match value {
                Some(value) => Some(value.as_bytes().into()),
                None => of_line.get_or_insert_with(|| fields.of_line(line))[field].as_deref().map(Box::from),
            };
            if let Some(value) = value {
                self.meta.put(name, &value, self.limits.detector.as_ref());
            }
        }
    }

    /// The level of the open row, whose pair in the metadata is removed, kept or added as the level column needs it.
    #[inline]
    fn level(&mut self, stream: &AcceptedStream, line: &[u8]) -> Level {
        let from_pair = self.meta.level_pair();
        let Some(detector) = &self.limits.detector else {
            let level = match from_pair {
                Some((NameRole::DetectedLevel, value)) => exact_form(value.as_bytes()).unwrap_or(Level::None),
                _ => Level::None,
            };
            if level != Level::None {
                self.meta.remove_level();
            }
            return level;
        };
        let field = match from_pair {
            Some((NameRole::DetectedLevel, value)) => Some(FieldLevel::of(value)),
            Some(_) | None if stream.level.is_some() => stream.level.clone(),
            Some((NameRole::LevelField(_), value)) => Some(FieldLevel::of(value)),
            Some((NameRole::SeverityNumber, value)) => of_severity_number(value.as_bytes()).map(FieldLevel::Known),
            Some((NameRole::Other, _)) | None => None,
        };
        match field {
            None => detector.of_line(line),
            Some(FieldLevel::Known(level)) => {
                self.meta.remove_level();
                level
            }
            Some(FieldLevel::Verbatim(value)) => {
                let pair = match stream.level_pair {
                    Some(pair) if stream.level == Some(FieldLevel::Verbatim(value.clone())) => pair,
                    _ => self.meta.put_level_text(&value),
                };
                self.meta.set_level(pair);
                Level::None
            }
        }
    }
}

/// Whether a size passes its limit; a limit of zero is none.
fn passes(size: usize, limit: usize) -> bool {
    size > limit && limit > 0
}

#[cold]
fn too_many_entries() -> KernelError {
    KernelError::LimitExceeded {
        limit: "max_recv_msg_size",
        message: format!("request body too large: more than {ENTRIES_MAX} entries"),
    }
}

fn stream_level(pairs: &LabelPairs, detector: &LevelDetector) -> Option<FieldLevel> {
    let explicit = pairs.iter().find(|(name, _)| &**name == LEVEL_NAME);
    let ranked = pairs.iter().filter_map(|pair| detector.rank(pair.0.as_bytes()).map(|rank| (rank, pair)));
    let (_, value) = explicit.or_else(|| ranked.min_by_key(|&(rank, _)| rank).map(|(_, pair)| pair))?;
    Some(FieldLevel::of(value))
}

/// Puts U+FFFD in place of what is not UTF-8 in any line.
fn make_text_valid(rows: &mut Rows) {
    // All lines are valid if their sequence is and none begins within a character.
    let starts = rows.line_ends.iter().map(|&end| end as usize);
    let is_valid = simdutf8::basic::from_utf8(&rows.lines).is_ok()
        && starts.into_iter().all(|start| rows.lines.get(start).is_none_or(|b| b & 0xc0 != 0x80));
    if is_valid {
        return;
    }
    let mut lines = Vec::with_capacity(rows.lines.len() + rows.lines.len() / 8);
    let mut ends = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        lines.extend_from_slice(String::from_utf8_lossy(rows.line(row)).as_bytes());
        ends.push(lines.len() as u32);
    }
    rows.lines = lines;
    rows.line_ends = ends;
}
