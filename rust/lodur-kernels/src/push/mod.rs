//! Pushes of log entries: bodies to rows, rows to bodies.
//!
//! Everything that one body alone decides is decided here: format, limits of labels and entries, `service_name`,
//! `detected_level`. Rates and numbers of streams, which need state across requests, are left to the caller, and so
//! is the choice of the format by media type. Start reading at `decode_push`; `assemble` checks what the readers of
//! the formats (`proto`, `json`, `legacy_json`, `otlp`) find.

mod assemble;
pub mod body_hash;
pub mod encode;
mod encoding;
mod generic_fields;
mod json;
mod json_scan;
mod label_text;
mod legacy_json;
mod level_detect;
mod level_words;
pub mod limits;
pub mod lines;
mod metadata;
mod otlp;
mod problems;
mod proto;
mod service_name;
pub mod subset;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod time;
mod validate;
mod wire;

pub use label_text::{LabelPairs, is_label_name, parse_labels};
pub use limits::{LimitValues, PushLimits};
pub use otlp::mapping::OtlpMapping;
pub use problems::{Problem, response_text};

use crate::batch::Batch;
use crate::error::Result;
use assemble::Assembler;

/// What the body is, once its Content-Encoding is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushFormat {
    /// A `logproto.PushRequest` in the snappy block format.
    LokiProtobuf,
    LokiJson,
    /// JSON with labels as text and entries as objects, on the path of old clients.
    LegacyJson,
    /// An `ExportLogsServiceRequest` of OpenTelemetry, in protobuf.
    OtlpProtobuf,
    OtlpJson,
}

/// The Content-Encoding header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncoding {
    Identity,
    Snappy,
    Gzip,
    /// Raw DEFLATE, without a zlib header.
    Deflate,
    Zstd,
    /// The frame format.
    Lz4,
}

/// Accepted lines of a stream, and their bytes with metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    pub lines: u64,
    pub bytes: u64,
}

/// The accepted rows of a body and what was refused.
#[derive(Clone, Debug)]
pub struct DecodedPush {
    pub batch: Batch,
    pub problems: Vec<Problem>,
    /// The body stands for exactly these rows: nothing was refused, cut or shifted in time.
    pub all_accepted: bool,
    /// Lines accepted, and the bytes of lines and metadata; without what was added (`service_name`, levels).
    pub accepted_lines: u64,
    pub accepted_bytes: u64,
    /// As many as `batch.streams`.
    pub stream_stats: Vec<StreamStats>,
    pub received_streams: u64,
    pub received_lines: u64,
    pub received_bytes: u64,
    pub truncated_lines: u64,
    pub truncated_bytes: u64,
}

/// Decodes and checks a body. An error refuses all of it (`InvalidRequest`: 400, `LimitExceeded`: 413); streams and
/// entries that are refused one by one are in `problems`.
///
/// Memory: the decompressed body (at most `limits::DECOMPRESSED_BYTES_MAX`), rows of about the same size, and 13 bytes
/// an entry, of which there are at most `limits::ENTRIES_MAX`.
pub fn decode_push(
    body: &[u8],
    format: PushFormat,
    encoding: ContentEncoding,
    limits: &PushLimits,
    now_ns: i64,
) -> Result<DecodedPush> {
    encoding::with_open_body(body, format, encoding, limits, |opened| {
        let mut rows = Assembler::new(limits, now_ns, opened.len());
        match format {
            PushFormat::LokiProtobuf => proto::read_push(opened, &mut rows)?,
            PushFormat::LokiJson => json::read_push(opened, &mut rows)?,
            PushFormat::LegacyJson => legacy_json::read_push(opened, &mut rows)?,
            PushFormat::OtlpProtobuf => otlp::proto::read_push(opened, &mut rows, limits, now_ns)?,
            PushFormat::OtlpJson => otlp::json::read_push(opened, &mut rows, limits, now_ns)?,
        }
        Ok(rows.finish())
    })
}
