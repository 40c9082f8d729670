//! What a tenant's limits ask of one body. Fields are named as the keys of `limits_config`, with their units.

use std::sync::Arc;

use super::generic_fields::GenericFields;
use super::level_detect::LevelDetector;
use super::otlp::mapping::OtlpMapping;

/// Most bytes that a body may have after decompression. Row offsets are 32 bits wide, and replacing invalid UTF-8 can
/// make text three times longer.
pub const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// Most entries of one body. An empty entry takes two bytes on the wire and some 15 in memory: without a bound a body
/// of legal size could ask for gigabytes.
pub const ENTRIES_MAX: usize = 1 << 24;

/// The plain values; `PushLimits::new` makes of them what decoding needs. Zero switches a size limit off.
#[derive(Clone, Debug)]
pub struct LimitValues {
    pub max_label_names_per_series: usize,
    pub max_label_name_length_bytes: usize,
    pub max_label_value_length_bytes: usize,
    pub max_line_size_bytes: usize,
    pub max_line_size_truncate: bool,
    pub max_line_size_truncate_identifier: String,
    pub reject_old_samples: bool,
    pub reject_old_samples_max_age_ns: i64,
    pub creation_grace_period_ns: i64,
    pub increment_duplicate_timestamp: bool,
    pub allow_structured_metadata: bool,
    pub max_structured_metadata_size_bytes: usize,
    pub max_structured_metadata_entries_count: usize,
    /// Labels of which the first present one gives `service_name`; empty switches discovery off.
    pub discover_service_name: Vec<String>,
    pub discover_log_levels: bool,
    pub log_level_fields: Vec<String>,
    pub log_level_from_json_max_depth: usize,
    /// Names in the metadata, each with the labels, metadata and fields of the text that it is copied from.
    pub discover_generic_fields: Vec<(String, Vec<String>)>,
    /// At most `DECOMPRESSED_BYTES_MAX`; larger values are read as that.
    pub max_decompressed_size_bytes: usize,
}

const SERVICE_NAME_LABELS: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

const LEVEL_FIELDS: [&str; 14] = [
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
];

const HOUR_NS: i64 = 3_600_000_000_000;

impl Default for LimitValues {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        LimitValues {
            max_label_names_per_series: 15,
            max_label_name_length_bytes: 1024,
            max_label_value_length_bytes: 2048,
            max_line_size_bytes: 256 << 10,
            max_line_size_truncate: false,
            max_line_size_truncate_identifier: String::new(),
            reject_old_samples: true,
            reject_old_samples_max_age_ns: 7 * 24 * HOUR_NS,
            creation_grace_period_ns: HOUR_NS / 6,
            increment_duplicate_timestamp: false,
            allow_structured_metadata: true,
            max_structured_metadata_size_bytes: 64 << 10,
            max_structured_metadata_entries_count: 128,
            discover_service_name: owned(&SERVICE_NAME_LABELS),
            discover_log_levels: true,
            log_level_fields: owned(&LEVEL_FIELDS),
            log_level_from_json_max_depth: 2,
            discover_generic_fields: Vec::new(),
            max_decompressed_size_bytes: DECOMPRESSED_BYTES_MAX,
        }
    }
}

/// A tenant's limits, prepared once and shared by all its pushes.
#[derive(Clone, Debug)]
pub struct PushLimits {
    pub values: LimitValues,
    pub(super) detector: Option<LevelDetector>,
    pub(super) generic: Option<GenericFields>,
    /// Where the attributes of OpenTelemetry logs go.
    pub(super) otlp: Arc<OtlpMapping>,
}

impl PushLimits {
    pub fn new(values: LimitValues) -> Self {
        // Levels are written to structured metadata, so they need it to be allowed.
        let detector = (values.discover_log_levels && values.allow_structured_metadata)
            .then(|| LevelDetector::new(&values.log_level_fields, values.log_level_from_json_max_depth));
        let generic =
            if values.allow_structured_metadata { GenericFields::new(&values.discover_generic_fields) } else { None };
        PushLimits { values, detector, generic, otlp: Arc::default() }
    }

    /// The same limits with this mapping of OpenTelemetry attributes instead of the default one.
    pub fn with_otlp_mapping(self, mapping: OtlpMapping) -> Self {
        PushLimits { otlp: Arc::new(mapping), ..self }
    }

    /// For bodies that were validated before (see `encode_batch`): refuses and adds nothing.
    pub fn unchecked() -> Self {
        PushLimits::new(LimitValues {
            max_label_names_per_series: usize::MAX,
            max_label_name_length_bytes: usize::MAX,
            max_label_value_length_bytes: usize::MAX,
            max_line_size_bytes: 0,
            reject_old_samples: false,
            creation_grace_period_ns: i64::MAX,
            max_structured_metadata_size_bytes: 0,
            max_structured_metadata_entries_count: 0,
            discover_service_name: Vec::new(),
            discover_log_levels: false,
            ..LimitValues::default()
        })
    }

    /// For bodies that were accepted whole under these limits, whatever the time and the limits are now: adds what these
    /// add, and refuses nothing.
    pub fn for_replay(&self) -> Self {
        let limits = PushLimits::new(LimitValues {
            discover_service_name: self.values.discover_service_name.clone(),
            discover_log_levels: self.detector.is_some(),
            log_level_fields: self.values.log_level_fields.clone(),
            log_level_from_json_max_depth: self.values.log_level_from_json_max_depth,
            discover_generic_fields: match &self.generic {
                Some(_) => self.values.discover_generic_fields.clone(),
                None => Vec::new(),
            },
            increment_duplicate_timestamp: self.values.increment_duplicate_timestamp,
            ..PushLimits::unchecked().values
        });
        PushLimits { otlp: Arc::clone(&self.otlp), ..limits }
    }

    pub(super) fn decompressed_bytes_max(&self) -> usize {
        self.values.max_decompressed_size_bytes.min(DECOMPRESSED_BYTES_MAX)
    }
}
