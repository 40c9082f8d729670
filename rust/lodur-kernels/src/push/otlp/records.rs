//! Log records, as a format's reader finds them, to streams and entries: labels, metadata, time and line of each.
//!
//! The readers call `open_resource`, `open_scope`, then `record` for each record, then `close_resource`.

use std::borrow::Cow;

use crate::error::Result;
use crate::push::assemble::{Assembler, OpenStream};
use crate::push::label_text::LabelPairs;
use crate::push::limits::PushLimits;
use crate::push::metadata::RawPair;

use super::mapping::{Action, OtlpMapping, Rules};
use super::value::{Attribute, Room, Value, flatten, pair_size};

/// What labels take in memory beside their texts.
const LABEL_BYTES: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) name: Cow<'a, [u8]>,
    pub(super) version: Cow<'a, [u8]>,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) dropped_attributes: u32,
}

/// Zero and empty mean that the record does not say.
#[derive(Debug)]
pub(super) struct LogRecord<'a> {
    pub(super) time_ns: u64,
    pub(super) observed_ns: u64,
    pub(super) severity_number: i32,
    pub(super) severity_text: Cow<'a, [u8]>,
    pub(super) body: Value<'a>,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) dropped_attributes: u32,
    pub(super) flags: u32,
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) event_name: Cow<'a, [u8]>,
}

impl Default for LogRecord<'_> {
    fn default() -> Self {
        LogRecord {
            time_ns: 0,
            observed_ns: 0,
            severity_number: 0,
            severity_text: Cow::Borrowed(b""),
            body: Value::Empty,
            attributes: Vec::new(),
            dropped_attributes: 0,
            flags: 0,
            trace_id: [0; 16],
            span_id: [0; 8],
            event_name: Cow::Borrowed(b""),
        }
    }
}

impl LogRecord<'_> {
    /// An empty record that keeps the memory of this one.
    pub(super) fn renew(&mut self) {
        let mut attributes = std::mem::take(&mut self.attributes);
        attributes.clear();
        *self = LogRecord { attributes, ..LogRecord::default() };
    }
}

/// The pairs of a resource and of a scope, which each of their records repeats.
#[derive(Debug, Default)]
struct Shared {
    /// Places in `Records::pairs` behind those of the resource, and behind those of the scope.
    resource_end: usize,
    scope_end: usize,
    resource_bytes: usize,
    scope_bytes: usize,
}

pub(super) struct Records<'r, 'l, 'a> {
    rows: &'r mut Assembler<'l>,
    mapping: &'l OtlpMapping,
    now_ns: i64,
    room: Room,
    /// Labels of the resource's stream; records may have more.
    labels: LabelPairs,
    pairs: Vec<RawPair<'a>>,
    shared: Shared,
    /// Labels that the record itself gives.
    record_labels: LabelPairs,
    /// The stream that takes entries, with what records gave to its labels.
    open: Option<(LabelPairs, OpenStream)>,
    has_records: bool,
}

impl<'r, 'l, 'a> Records<'r, 'l, 'a> {
    pub(super) fn new(rows: &'r mut Assembler<'l>, limits: &'l PushLimits, now_ns: i64) -> Self {
        Records {
            rows,
            mapping: &limits.otlp,
            now_ns,
            room: Room::new(limits.decompressed_bytes_max()),
            labels: LabelPairs::new(),
            pairs: Vec::new(),
            shared: Shared::default(),
            record_labels: LabelPairs::new(),
            open: None,
            has_records: false,
        }
    }

    pub(super) fn open_resource(&mut self, attributes: Vec<Attribute<'a>>) -> Result<()> {
        self.labels.clear();
        self.pairs.clear();
        self.has_records = false;
        let mut labels = std::mem::take(&mut self.labels);
        for attribute in attributes {
            self.place(&self.mapping.resource, attribute, &mut labels)?;
        }
        self.labels = labels;
        self.shared.resource_end = self.pairs.len();
        self.shared.resource_bytes = self.pairs.iter().map(pair_size).sum();
        Ok(())
    }

    pub(super) fn open_scope(&mut self, scope: Scope<'a>) -> Result<()> {
        self.pairs.truncate(self.shared.resource_end);
        for attribute in scope.attributes {
            // No attribute of a scope can be a label, the configuration sees to it.
            self.place(&self.mapping.scope, attribute, &mut LabelPairs::new())?;
        }
        self.put("scope_name", scope.name)?;
        self.put("scope_version", scope.version)?;
        self.put_number("scope_dropped_attributes_count", scope.dropped_attributes.into())?;
        self.shared.scope_end = self.pairs.len();
        self.shared.scope_bytes = self.pairs[self.shared.resource_end..].iter().map(pair_size).sum();
        Ok(())
    }

    /// Takes the record's content and leaves its memory.
    pub(super) fn record(&mut self, record: &mut LogRecord<'a>) -> Result<()> {
        self.has_records = true;
        self.room.take(self.shared.resource_bytes + self.shared.scope_bytes)?;
        self.pairs.truncate(self.shared.scope_end);
        let mut record_labels = std::mem::take(&mut self.record_labels);
        record_labels.clear();
        for attribute in record.attributes.drain(..) {
            self.place(&self.mapping.log, attribute, &mut record_labels)?;
        }
        if self.mapping.severity_text_as_label && !record.severity_text.is_empty() {
            record_labels.push(("severity_text".into(), String::from_utf8_lossy(&record.severity_text).into()));
        } else {
            self.put("severity_text", std::mem::take(&mut record.severity_text))?;
        }
        self.record_labels = record_labels;
        self.put_fields(record)?;
        let line = std::mem::replace(&mut record.body, Value::Empty).into_text(&self.room)?;
        self.room.take(line.len())?;
        let ts_ns = match (record.time_ns, record.observed_ns) {
            (0, 0) => self.now_ns,
            (0, observed_ns) => i64::try_from(observed_ns).unwrap_or(i64::MAX),
            (time_ns, _) => i64::try_from(time_ns).unwrap_or(i64::MAX),
        };
        self.open_stream()?;
        match &mut self.open {
            Some((_, stream)) => self.rows.entry(stream, ts_ns, &line, &self.pairs),
            None => Ok(()),
        }
    }

    pub(super) fn close_resource(&mut self) {
        if let Some((_, stream)) = self.open.take() {
            self.rows.close_stream(stream);
        }
        if !self.has_records {
            self.rows.empty_stream();
        }
    }

    /// Puts an attribute where the rules say.
    fn place(&mut self, rules: &Rules, attribute: Attribute<'a>, labels: &mut LabelPairs) -> Result<()> {
        match rules.action(&attribute.key) {
            Action::Drop => Ok(()),
            Action::StructuredMetadata => flatten(attribute, &mut self.room, &mut self.pairs),
            Action::IndexLabel => {
                let mut pairs = Vec::new();
                flatten(attribute, &mut self.room, &mut pairs)?;
                let as_text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into();
                labels.extend(pairs.iter().map(|pair| (as_text(&pair.name), as_text(&pair.value))));
                Ok(())
            }
        }
    }

    /// What a record says of itself beside attributes, severity's text and body.
    fn put_fields(&mut self, record: &mut LogRecord<'a>) -> Result<()> {
        if record.time_ns != 0 && record.observed_ns != 0 {
            self.put_number("observed_timestamp", record.observed_ns.into())?;
        }
        self.put_number("severity_number", record.severity_number.into())?;
        self.put_number("dropped_attributes_count", record.dropped_attributes.into())?;
        self.put_number("flags", record.flags.into())?;
        self.put_id("trace_id", &record.trace_id)?;
        self.put_id("span_id", &record.span_id)?;
        self.put("event_name", std::mem::take(&mut record.event_name))
    }

    fn put(&mut self, name: &'static str, value: Cow<'a, [u8]>) -> Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        let pair = RawPair { name: Cow::Borrowed(name.as_bytes()), value };
        self.room.take(pair_size(&pair))?;
        self.pairs.push(pair);
        Ok(())
    }

    fn put_number(&mut self, name: &'static str, number: i128) -> Result<()> {
        if number == 0 {
            return Ok(());
        }
        self.put(name, Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()))
    }

    fn put_id(&mut self, name: &'static str, id: &[u8]) -> Result<()> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        if id.iter().all(|&b| b == 0) {
            return Ok(());
        }
        let digits = id.iter().flat_map(|&b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
        self.put(name, Cow::Owned(digits.collect()))
    }

    /// Sees to it that the open stream is the one of the record's labels.
    fn open_stream(&mut self) -> Result<()> {
        if self.open.as_ref().is_some_and(|(labels, _)| *labels == self.record_labels) {
            return Ok(());
        }
        if let Some((_, stream)) = self.open.take() {
            self.rows.close_stream(stream);
        }
        let labels: LabelPairs = self.labels.iter().chain(&self.record_labels).cloned().collect();
        self.room.take(labels.iter().map(|(name, value)| name.len() + value.len() + LABEL_BYTES).sum())?;
        let stream = self.rows.open_stream(Ok(last_of_each(labels)));
        self.open = Some((self.record_labels.clone(), stream));
        Ok(())
    }
}

/// Of equal names the last value: different attributes may come to the same name.
fn last_of_each(mut labels: LabelPairs) -> LabelPairs {
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    labels.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    labels
}
