//! OTLP bodies through `decode_push`: the mapping, both forms alike, and what hostile bytes must not do.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::collection::vec;
use proptest::prelude::*;
use serde::Serialize;

use crate::error::{KernelError, Result};
use crate::push::tests::shown;
use crate::push::wire::{BYTES, VARINT, put_bytes, put_varint, tag};
use crate::push::{ContentEncoding, DecodedPush, LimitValues, OtlpMapping, PushFormat, PushLimits, decode_push};

const NOW_NS: i64 = 1_768_471_300_000_000_000;

fn decode(body: &[u8], format: PushFormat, limits: &PushLimits) -> Result<DecodedPush> {
    decode_push(body, format, ContentEncoding::Identity, limits, NOW_NS)
}

fn json(body: &str) -> DecodedPush {
    decode(body.as_bytes(), PushFormat::OtlpJson, &PushLimits::new(LimitValues::default())).unwrap()
}

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, content);
    out
}

fn number(number: u32, value: u64) -> Vec<u8> {
    let mut out = vec![tag(number, VARINT)];
    put_varint(&mut out, value);
    out
}

fn fixed64(number: u32, value: u64) -> Vec<u8> {
    [&[tag(number, 1)][..], &value.to_le_bytes()].concat()
}

fn fixed32(number: u32, value: u32) -> Vec<u8> {
    [&[tag(number, 5)][..], &value.to_le_bytes()].concat()
}

fn text(text: &str) -> Vec<u8> {
    field(1, text.as_bytes())
}

fn attribute(field_number: u32, key: &str, value: &[u8]) -> Vec<u8> {
    field(field_number, &[field(1, key.as_bytes()), field(2, value)].concat())
}

/// A body of one resource and one scope.
fn body(resource: &[u8], scope: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    let records: Vec<u8> = records.iter().flat_map(|record| field(2, record)).collect();
    let scope_logs = [records, field(1, scope)].concat();
    field(1, &[field(2, &scope_logs), field(1, resource)].concat())
}

const JSON: &str = r#"{"unknown":[{}],"resourceLogs":[{"schemaUrl":"x","scopeLogs":[{"logRecords":[
    {"timeUnixNano":"1768471300000000001","observedTimeUnixNano":1768471300000000002,
     "severityNumber":"SEVERITY_NUMBER_WARN2","severityText":"Warning","flags":1,"droppedAttributesCount":3,
     "traceId":"0AF7651916CD43DD8448EB211C80319C","spanId":"b7ad6b7169203331","eventName":"e",
     "body":{"kvlistValue":{"values":[{"key":"b","value":{"arrayValue":{"values":[{"intValue":"-1"},{}]}}},
                                      {"key":"a","value":{"bytesValue":"AP8"}}]}},
     "attributes":[{"key":"http.code","value":{"intValue":200}},{"key":"ok","value":{"boolValue":true}},
                   {"key":"ratio","value":{"doubleValue":0.25}},{"key":"none","value":{}},{"key":"null"},
                   {"key":"deep","value":{"kvlistValue":{"values":[{"key":"k.x","value":{"stringValue":"v\u00e9"}}]}}},
                   {"key":"list","value":{"arrayValue":{"values":[{"stringValue":"x"},{"doubleValue":"NaN"}]}}}]},
    {"observedTimeUnixNano":"1768471300000000003","body":{"stringValue":"level=debug"}},
    {}],
   "scope":{"name":"lib","version":"1","droppedAttributesCount":2,
            "attributes":[{"key":"scope.attr","value":{"stringValue":"s"}}]}}],
  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}},
                            {"key":"host.name","value":{"stringValue":"h"}}]}}]} trailing"#;

fn rows_of_json() -> Vec<String> {
    let shared = "host_name=h,";
    let scope = "scope_attr=s,scope_dropped_attributes_count=2,scope_name=lib,scope_version=1";
    vec![
        format!(
            "{{service_name=\"cart\"}} 1 {{\"a\":\"AP8=\",\"b\":[-1,null]}} [deep_k_x=vé,dropped_attributes_count=3,\
             event_name=e,flags=1,{shared}http_code=200,list=[\"x\",\"NaN\"],observed_timestamp=1768471300000000002,\
             ok=true,ratio=0.25,{scope},severity_number=14,severity_text=Warning,span_id=b7ad6b7169203331,\
             trace_id=0af7651916cd43dd8448eb211c80319c] warn"
        ),
        format!("{{service_name=\"cart\"}} 3 level=debug [{shared}{scope}] debug"),
        format!("{{service_name=\"cart\"}} 0  [{shared}{scope}] unknown"),
    ]
}

fn protobuf() -> Vec<u8> {
    let list = field(5, &[field(1, &number(3, u64::MAX)), field(1, b"")].concat());
    let map = [attribute(1, "b", &list), attribute(1, "a", &field(7, &[0, 0xff]))].concat();
    let deep = field(6, &attribute(1, "k.x", &text("vé")));
    let odd = field(5, &[field(1, &text("x")), field(1, &fixed64(4, f64::NAN.to_bits()))].concat());
    let first = [
        fixed64(1, 1_768_471_300_000_000_001),
        fixed64(11, 1_768_471_300_000_000_002),
        number(2, 14),
        field(3, b"Warning"),
        number(7, 3),
        fixed32(8, 1),
        field(9, &0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes()),
        field(10, &0xb7ad_6b71_6920_3331_u64.to_be_bytes()),
        field(12, b"e"),
        field(5, &field(6, &map)),
        attribute(6, "http.code", &number(3, 200)),
        attribute(6, "ok", &number(2, 1)),
        attribute(6, "ratio", &fixed64(4, 0.25f64.to_bits())),
        attribute(6, "none", b""),
        attribute(6, "deep", &deep),
        attribute(6, "list", &odd),
        number(15, 1),
    ];
    let second = [fixed64(11, 1_768_471_300_000_000_003), field(5, &text("level=debug"))].concat();
    let scope = [field(1, b"lib"), field(2, b"1"), attribute(3, "scope.attr", &text("s")), number(4, 2)].concat();
    let resource = [attribute(1, "service.name", &text("cart")), attribute(1, "host.name", &text("h"))].concat();
    body(&resource, &scope, &[first.concat(), second, Vec::new()])
}

#[test]
fn both_forms_are_mapped_alike() {
    assert_eq!(shown(&json(JSON).batch), rows_of_json());
    let limits = PushLimits::new(LimitValues::default());
    let push = decode(&protobuf(), PushFormat::OtlpProtobuf, &limits).unwrap();
    assert_eq!(shown(&push.batch), rows_of_json());
    assert_eq!((push.all_accepted, push.received_streams, push.received_lines), (true, 1, 3));
}

#[test]
fn content_encodings() {
    let limits = PushLimits::new(LimitValues::default());
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    std::io::Write::write_all(&mut lz4, &protobuf()).unwrap();
    let packed = [
        (lz4.finish().unwrap(), ContentEncoding::Lz4),
        (zstd::encode_all(&protobuf()[..], 1).unwrap(), ContentEncoding::Zstd),
    ];
    for (body, encoding) in packed {
        let push = decode_push(&body, PushFormat::OtlpProtobuf, encoding, &limits, NOW_NS).unwrap();
        assert_eq!(shown(&push.batch), rows_of_json());
    }
}

#[test]
fn labels_of_resources() {
    let one = |attributes: &str| {
        let resource =
            format!(r#"{{"resource":{{"attributes":[{attributes}]}},"scopeLogs":[{{"logRecords":[{{}}]}}]}}"#);
        shown(&json(&format!(r#"{{"resourceLogs":[{resource}]}}"#)).batch).remove(0)
    };
    let pair = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{value}}}"#);
    let cases = [
        (String::new(), r#"{service_name="unknown_service"} 0  [] unknown"#),
        (
            pair("k8s.container.name", r#"{"stringValue":"c"}"#),
            r#"{k8s_container_name="c", service_name="c"} 0  [] unknown"#,
        ),
        (
            [pair("service.name", r#"{"intValue":5}"#), pair("a b", r#"{"boolValue":false}"#)].join(","),
            r#"{service_name="5"} 0  [a_b=false] unknown"#,
        ),
        (
            [pair("cloud.region", r#"{"stringValue":""}"#), pair("k8s.pod.name", r#"{"stringValue":"p"}"#)].join(","),
            r#"{k8s_pod_name="p", service_name="unknown_service"} 0  [] unknown"#,
        ),
        (
            pair("cloud.region", r#"{"kvlistValue":{"values":[{"key":"x","value":{"intValue":1}}]}}"#),
            r#"{cloud_region_x="1", service_name="unknown_service"} 0  [] unknown"#,
        ),
    ];
    for (attributes, row) in cases {
        assert_eq!(one(&attributes), row);
    }
}

#[test]
fn the_nearest_owner_of_a_name_counts() {
    let body = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"x","value":{"intValue":1}},{"key":"y","value":{"intValue":1}}]},
        "scopeLogs":[{"scope":{"attributes":[{"key":"x","value":{"intValue":2}}]},"logRecords":[{"attributes":[{"key":"x","value":{"intValue":3}}]},{}]}]}]}"#;
    let rows = shown(&json(body).batch);
    assert!(rows[0].contains("[x=3,y=1]") && rows[1].contains("[x=2,y=1]"), "{rows:?}");
}

#[derive(Serialize)]
struct RuleForTest {
    action: &'static str,
    attributes: Vec<&'static str>,
    regex: &'static str,
}

#[derive(Serialize)]
struct MappingForTest {
    resource: Vec<RuleForTest>,
    scope: Vec<RuleForTest>,
    log: Vec<RuleForTest>,
    severity_text_as_label: bool,
}

fn rule(action: &'static str, attributes: &[&'static str], regex: &'static str) -> RuleForTest {
    RuleForTest { action, attributes: attributes.to_vec(), regex }
}

fn limits_with(mapping: &MappingForTest) -> PushLimits {
    let message = rmp_serde::to_vec_named(mapping).unwrap();
    PushLimits::new(LimitValues::default()).with_otlp_mapping(OtlpMapping::from_message(&message).unwrap())
}

#[test]
fn a_mapping_says_where_attributes_go() {
    let limits = limits_with(&MappingForTest {
        resource: vec![rule("index_label", &["host.name"], ""), rule("drop", &[], "service.*")],
        scope: vec![rule("drop", &["scope.attr"], "")],
        log: vec![
            rule("structured_metadata", &["deep"], ""),
            rule("index_label", &[], "h.*code"),
            rule("drop", &[], ".*"),
        ],
        severity_text_as_label: true,
    });
    let push = decode(&protobuf(), PushFormat::OtlpProtobuf, &limits).unwrap();
    let scope = "scope_dropped_attributes_count=2,scope_name=lib,scope_version=1";
    let labels = r#"host_name="h""#;
    let rest = format!("{{{labels}, service_name=\"unknown_service\"}}");
    let expected = [
        format!(
            "{{{labels}, http_code=\"200\", service_name=\"unknown_service\", severity_text=\"Warning\"}} 1 \
             {{\"a\":\"AP8=\",\"b\":[-1,null]}} [deep_k_x=vé,dropped_attributes_count=3,event_name=e,flags=1,\
             observed_timestamp=1768471300000000002,{scope},severity_number=14,span_id=b7ad6b7169203331,\
             trace_id=0af7651916cd43dd8448eb211c80319c] warn"
        ),
        format!("{rest} 3 level=debug [{scope}] debug"),
        format!("{rest} 0  [{scope}] unknown"),
    ];
    assert_eq!(shown(&push.batch), expected);
    // The same mapping holds when the body is read back from the log.
    let replayed = decode(&protobuf(), PushFormat::OtlpProtobuf, &limits.for_replay()).unwrap();
    assert_eq!(shown(&replayed.batch), expected);
}

#[test]
fn mappings_that_cannot_be_read_are_refused() {
    let bad = MappingForTest {
        resource: vec![rule("drop", &[], "(")],
        scope: vec![],
        log: vec![],
        severity_text_as_label: false,
    };
    for message in [rmp_serde::to_vec_named(&bad).unwrap(), vec![], vec![0xc1], b"\x81\xa3abc\x01".to_vec()] {
        assert!(matches!(OtlpMapping::from_message(&message), Err(KernelError::InvalidRequest(_))));
    }
}

#[test]
fn refusals_of_entries_leave_the_rest() {
    let limits = PushLimits::new(LimitValues { max_line_size_bytes: 20, ..LimitValues::default() });
    let push = decode(&protobuf(), PushFormat::OtlpProtobuf, &limits).unwrap();
    assert_eq!((push.accepted_lines, push.problems.len(), push.all_accepted), (2, 1, false));
    assert_eq!(push.problems[0].reason, "line_too_long");
    let old = body(b"", b"", &[fixed64(1, 1), fixed64(1, u64::MAX), Vec::new()]);
    let push = decode(&old, PushFormat::OtlpProtobuf, &limits).unwrap();
    let reasons: Vec<_> = push.problems.iter().map(|problem| problem.reason).collect();
    assert_eq!((push.accepted_lines, reasons), (1, vec!["greater_than_max_sample_age", "too_far_in_future"]));
}

#[test]
fn empty_requests() {
    for body in ["{}", "null", r#"{"resourceLogs":null}"#, r#"{"resourceLogs":[]}"#] {
        assert_eq!(json(body).problems[0].status, 422, "{body}");
    }
    let limits = PushLimits::new(LimitValues::default());
    assert_eq!(decode(b"", PushFormat::OtlpProtobuf, &limits).unwrap().problems[0].status, 422);
    for body in [r#"{"resourceLogs":[{}]}"#, r#"{"resourceLogs":[null,{"scopeLogs":[{"logRecords":[]}]}]}"#] {
        let push = json(body);
        assert_eq!((push.problems.len(), push.accepted_lines), (0, 0), "{body}");
    }
}

#[test]
fn json_bodies_that_are_refused_whole() {
    let record = |members: &str| format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{members}}}]}}]}}]}}"#);
    let value = |value: &str| record(&format!(r#""body":{value}"#));
    let mut nested = r#"{"stringValue":"x"}"#.to_owned();
    for _ in 0..25 {
        nested = format!(r#"{{"kvlistValue":{{"values":[{{"key":"k","value":{nested}}}]}}}}"#);
    }
    let cases = [
        (String::new(), "EOF"),
        ("nonsense".to_owned(), "expected null"),
        ("[]".to_owned(), "expected an object with resourceLogs, found an array"),
        (r#"{"resourceLogs":"x"}"#.to_owned(), "expected an array, found a string"),
        (r#"{"resourceLogs":["x"]}"#.to_owned(), "expected an object, found a string"),
        (r#"{"resourceLogs":[{"#.to_owned(), "expected a key"),
        (record(r#""timeUnixNano":"x""#), "expected a whole number, in range, or a string of one, found \"x\""),
        (record(r#""timeUnixNano":-1"#), "found \"-1\""),
        (record(r#""timeUnixNano":1.5"#), "found \"1.5\""),
        (record(r#""flags":4294967296"#), "found \"4294967296\""),
        (record(r#""severityNumber":"SEVERITY_NUMBER_WARN5""#), "found \"SEVERITY_NUMBER_WARN5\""),
        (record(r#""traceId":"00""#), "expected a trace id of 32 hex digits, found \"00\""),
        (record(r#""spanId":"000000000000000g""#), "expected a span id of 16 hex digits"),
        (record(r#""attributes":{}"#), "expected an array, found an object"),
        (record(r#""attributes":[{"value":{"intValue":1}}]"#), "label name is empty"),
        (value("\"plain\""), "expected a value, which is an object, found a string"),
        (value(r#"{"intValue":"9223372036854775808"}"#), "found \"9223372036854775808\""),
        (value(r#"{"doubleValue":"x"}"#), "expected a number or a string of one, found \"x\""),
        (value(r#"{"boolValue":1}"#), "expected true or false, found \"1\""),
        (value(r#"{"bytesValue":"!"}"#), "expected a string in base64, found \"!\""),
        (value(&nested), "values nested deeper than 24"),
    ];
    for (body, text) in cases {
        let limits = PushLimits::new(LimitValues::default());
        match decode(body.as_bytes(), PushFormat::OtlpJson, &limits) {
            Err(KernelError::InvalidRequest(found)) => assert!(found.contains(text), "{body}: {found}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn protobuf_bodies_that_are_refused_whole() {
    let mut nested = text("x");
    for _ in 0..25 {
        nested = field(5, &field(1, &nested));
    }
    let cases = [
        (vec![1, 2], "proto: illegal tag 1"),
        (vec![0x0a, 5, 1], "proto: unexpected EOF"),
        (number(1, 5), "proto: wrong wire type 0 for field resource_logs"),
        (body(b"", b"", &[number(1, 5)]), "proto: wrong wire type 0 for field time_unix_nano"),
        (body(b"", b"", &[vec![tag(1, 1), 0]]), "proto: unexpected EOF"),
        (body(b"", b"", &[field(9, b"short")]), "proto: invalid length for trace_id: 5 bytes, not 16"),
        (body(b"", b"", &[field(5, &nested)]), "proto: values nested deeper than 24"),
        (body(b"", b"", &[vec![tag(5, BYTES), 0xff, 0xff, 0xff, 0xff, 0x7f]]), "proto: unexpected EOF"),
    ];
    for (body, text) in cases {
        let limits = PushLimits::new(LimitValues::default());
        match decode(&body, PushFormat::OtlpProtobuf, &limits) {
            Err(KernelError::InvalidRequest(found)) => assert!(found.contains(text), "{found}"),
            other => panic!("{body:?}: {other:?}"),
        }
    }
}

fn assert_too_large(body: &[u8], limits: &PushLimits) {
    match decode(body, PushFormat::OtlpProtobuf, limits) {
        Err(KernelError::LimitExceeded { limit: "max_recv_msg_size", message }) => {
            assert!(message.starts_with("request body too large: "), "{message}");
        }
        other => panic!("{:?}", other.map(|push| push.accepted_lines)),
    }
}

#[test]
fn what_few_bytes_ask_for_is_bounded() {
    let million = super::value::VALUES_MAX;
    let limits = PushLimits::new(LimitValues { max_structured_metadata_size_bytes: 0, ..LimitValues::default() });
    // Values that take no more than two bytes each.
    assert_too_large(&body(b"", b"", &[field(5, &field(5, &[tag(1, BYTES), 0].repeat(million)))]), &limits);
    assert_too_large(&body(&[tag(1, BYTES), 0].repeat(million + 1), b"", &[]), &limits);
    // A resource that each of many records repeats.
    let small = LimitValues { max_decompressed_size_bytes: 1 << 20, ..LimitValues::default() };
    let resource = attribute(1, "r", &text(&"x".repeat(10_000)));
    assert_too_large(&body(&resource, b"", &vec![Vec::new(); 200]), &PushLimits::new(small.clone()));
    assert_too_large(&body(b"", &field(1, &[b'x'; 10_000]), &vec![Vec::new(); 200]), &PushLimits::new(small));
    // As many attributes as there may be are counted, and the entry is refused.
    let many = attribute(6, "k", &text("v")).repeat(million / 2);
    let push = decode(&body(b"", b"", &[many, Vec::new()]), PushFormat::OtlpProtobuf, &limits).unwrap();
    assert_eq!((push.accepted_lines, push.problems[0].reason), (1, "structured_metadata_too_many"));
}

#[test]
fn text_that_is_not_utf8_is_made_so() {
    let record = [
        field(5, &field(1, b"l\xff")),
        field(6, &[field(1, b"k\xff"), field(2, &field(1, b"v\xff"))].concat()),
        field(3, b"\xff"),
    ];
    let resource = field(1, &[field(1, b"service.name"), field(2, &field(1, b"s\xff"))].concat());
    let limits = PushLimits::new(LimitValues::default());
    let push = decode(&body(&resource, b"", &[record.concat()]), PushFormat::OtlpProtobuf, &limits).unwrap();
    assert_eq!(
        shown(&push.batch),
        ["{service_name=\"s\u{fffd}\"} 0 l\u{fffd} [detected_level= ,k_=v ,severity_text= ] "]
    );
}

fn try_all(body: &[u8], format: PushFormat) {
    let limits = PushLimits::new(LimitValues::default());
    for encoding in [ContentEncoding::Identity, ContentEncoding::Gzip, ContentEncoding::Zstd, ContentEncoding::Lz4] {
        if let Ok(push) = decode_push(body, format, encoding, &limits, NOW_NS) {
            assert_eq!(shown(&push.batch).len() as u64, push.accepted_lines);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_answered(body in vec(any::<u8>(), 0..200)) {
        try_all(&body, PushFormat::OtlpProtobuf);
        try_all(&body, PushFormat::OtlpJson);
    }

    #[test]
    fn damaged_bodies_are_answered(
        is_json: bool,
        cut in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (mut body, format) = match is_json {
            true => (JSON.as_bytes().to_vec(), PushFormat::OtlpJson),
            false => (protobuf(), PushFormat::OtlpProtobuf),
        };
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        try_all(&body, format);
        body.truncate(cut.index(body.len()));
        try_all(&body, format);
    }

    #[test]
    fn damaged_frames_are_answered(damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        std::io::Write::write_all(&mut encoder, &protobuf()).unwrap();
        let mut body = encoder.finish().unwrap();
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        try_all(&body, PushFormat::OtlpProtobuf);
    }
}
