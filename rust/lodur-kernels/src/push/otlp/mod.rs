//! OpenTelemetry logs (OTLP): bodies of `ExportLogsServiceRequest`, in protobuf and JSON, to streams and entries.
//!
//! A body has resources, these have scopes, these have log records. Attributes of a resource that the mapping names
//! become labels of its stream; all else is structured metadata of each record, so what a body says once may be kept
//! many times. `records` holds that growth in bounds; `proto` and `json` only read. Rules: those of Loki's OTLP
//! endpoint, see docs/reference/opentelemetry.md.

pub(super) mod base64;
pub(super) mod json;
mod json_value;
pub mod mapping;
pub(super) mod proto;
mod records;
#[cfg(test)]
mod tests;
mod value;
