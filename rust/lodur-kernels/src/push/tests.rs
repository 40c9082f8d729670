//! Bodies of every format through `decode_push`: rules, refusals, and what hostile bytes must not do.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::encode::encode_batch;
use super::lines::{encode_lines, snappy_compress};
use super::*;
use crate::batch::{MetaPair, Metadata, Rows, Run};
use crate::error::KernelError;
use crate::labels::LabelSet;
use crate::level::Level;

const NOW_NS: i64 = 1_768_471_300_000_000_000;

fn limits() -> PushLimits {
    PushLimits::new(LimitValues::default())
}

fn decode_json(body: &str, limits: &PushLimits) -> Result<DecodedPush> {
    decode_push(body.as_bytes(), PushFormat::LokiJson, ContentEncoding::Identity, limits, NOW_NS)
}

/// Every row as text: labels, nanoseconds after now, line, metadata and level.
pub(super) fn shown(batch: &Batch) -> Vec<String> {
    let mut all = Vec::new();
    for run in &batch.runs {
        for row in run.start as usize..run.end as usize {
            let line = std::str::from_utf8(batch.rows.line(row)).unwrap();
            let meta: Vec<_> = batch.rows.meta.of(row).map(|(name, value)| format!("{name}={value}")).collect();
            let level = Level::from_code(batch.rows.levels[row]).text();
            let (labels, ts) = (&batch.streams[run.stream as usize], batch.rows.ts_ns[row].wrapping_sub(NOW_NS));
            all.push(format!("{labels} {ts} {line} [{}] {level}", meta.join(",")));
        }
    }
    all
}

fn error_text(result: Result<DecodedPush>) -> String {
    match result {
        Err(KernelError::InvalidRequest(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn accepted_json_bodies() {
    let t = NOW_NS;
    let unknown = "service_name=\"unknown_service\"";
    let cases = [
        (
            format!(r#"{{"streams":[{{"stream":{{"a":"x"}},"values":[["{t}","l"]]}}]}} trailing"#),
            vec![format!("{{a=\"x\", {unknown}}} 0 l [] unknown")],
        ),
        (
            format!(r#"{{"x":[1],"streams":[{{"y":{{}},"values":[["{t}","l"]],"stream":{{"a":"x"}}}}],"z":null}}"#),
            vec![format!("{{a=\"x\", {unknown}}} 0 l [] unknown")],
        ),
        (
            format!(
                r#"{{"streams":[{{"stream":{{"app":5,"b":true,"c":null,"d":{{"x":"y"}}}},"values":[["{t}","l"]]}}]}}"#
            ),
            vec![r#"{app="5", b="true", c="null", d="{\"x\":\"y\"}", service_name="5"} 0 l [] unknown"#.to_owned()],
        ),
        (
            format!(
                r#"{{"streams":[{{"stream":{{"app":"one","app":"two"}},"values":[["{t}"],null,[],["{t}","l",{{"k":"v","k":"w","e":""}},5,null]]}}]}}"#
            ),
            vec![
                r#"{app="two", service_name="two"} 0  [] unknown"#.to_owned(),
                r#"{app="two", service_name="two"} 0 l [k=w] unknown"#.to_owned(),
            ],
        ),
        (
            format!(r#"{{"streams":[{{"stream":{{"a":"","b":"\ud83d\ude00"}},"values":[["{t}","tab\t\u00e9"]]}}]}}"#),
            vec![format!("{{b=\"😀\", {unknown}}} 0 tab\té [] unknown")],
        ),
        (format!(r#"{{"streams":[{{"values":[["{t}","l"]]}}]}}"#), vec![format!("{{{unknown}}} 0 l [] unknown")]),
        (
            format!(
                r#"{{"streams":[{{"stream":{{"level":"Warning"}},"values":[["{t}","level=debug"],["{t}","x",{{"detected_level":"ERR"}}]]}}]}}"#
            ),
            vec![
                format!("{{level=\"Warning\", {unknown}}} 0 level=debug [] warn"),
                format!("{{level=\"Warning\", {unknown}}} 0 x [] error"),
            ],
        ),
        (
            format!(
                r#"{{"streams":[{{"stream":{{"a":"x"}},"values":[["{t}","m",{{"severity_number":"17"}}],["{t}","m",{{"severity_number":"9","level":"notice"}}]]}}]}}"#
            ),
            vec![
                format!("{{a=\"x\", {unknown}}} 0 m [severity_number=17] error"),
                format!("{{a=\"x\", {unknown}}} 0 m [detected_level=notice,level=notice,severity_number=9] "),
            ],
        ),
        (
            r#"{"streams":[{},{"stream":{"a":"x"}},{"stream":{"a":"x"},"values":null},{"values":[]}]}"#.to_owned(),
            vec![],
        ),
        (
            r#"{"streams":[{"labels":"{a=\"x\"}","entries":[{"ts":"2026-01-15T10:00:00Z","line":"old"}]}]}"#.to_owned(),
            vec![],
        ),
    ];
    for (body, rows) in cases {
        let push = decode_json(&body, &limits()).unwrap();
        assert_eq!(shown(&push.batch), rows, "{body}");
        assert_eq!((push.problems.len(), push.all_accepted), (0, true), "{body}");
    }
}

#[test]
fn json_bodies_that_are_refused_whole() {
    let entry = |value: &str| format!(r#"{{"streams":[{{"stream":{{"app":"ok"}},"values":[{value}]}}]}}"#);
    let labels = |object: &str| format!(r#"{{"streams":[{{"stream":{object},"values":[["{NOW_NS}","x"]]}}]}}"#);
    let number_text = "Value looks like Number/Boolean/None";
    let cases = [
        ("".to_owned(), "EOF"),
        ("  ".to_owned(), "EOF"),
        ("{".to_owned(), "expected a key"),
        ("not json".to_owned(), "expected null"),
        ("[]".to_owned(), "expected an object with streams, found an array"),
        (r#"{"streams":{}}"#.to_owned(), "expected an array of streams, found an object"),
        (r#"{"streams":[null]}"#.to_owned(), "streams[0]: expected a stream object, found null"),
        (r#"{"streams":[{}"#.to_owned(), "expected ',' or ']', found the end of the body"),
        (labels("null"), "expected an object of labels, found null"),
        (labels("\"{a}\""), "expected an object of labels, found a string"),
        (
            labels(r#"{"app-x":"x"}"#),
            "couldn't parse labels: 1:5: parse error: unexpected character inside braces: '-'",
        ),
        (
            labels(r#"{"":"x"}"#),
            "couldn't parse labels: 1:2: parse error: unexpected \"=\" in label set, expected identifier or \"}\"",
        ),
        (
            labels(r#"{"a b":"x"}"#),
            "couldn't parse labels: 1:4: parse error: unexpected identifier \"b\" in label set, expected \"=\"",
        ),
        (entry("\"x\""), "streams[0].values[0]: expected an array of timestamp and line, found a string"),
        (entry(r#"["abc","x"]"#), number_text),
        (entry(r#"["","x"]"#), number_text),
        (entry(r#"[1768471300000000000,"x"]"#), number_text),
        (entry(r#"["1768471200.5","x"]"#), number_text),
        (entry(r#"["99999999999999999999","x"]"#), number_text),
        (entry(r#"["1",null]"#), "expected a line, which is a string, found null"),
        (entry(r#"["1","x",null]"#), "expected an object of structured metadata, found null"),
        (entry(r#"["1","x",{"a":1}]"#), "expected a metadata value, which is a string, found a number"),
        (entry(&format!(r#"["{NOW_NS}","x",{{"":"v"}}]"#)), "label name is empty"),
        (entry(r#"["1","lone \ud800 surrogate"]"#), "lone surrogate"),
        (format!(r#"{{"x":{}}}"#, "[".repeat(100_000)), "nested deeper than 128"),
    ];
    for (body, expected) in cases {
        let text = error_text(decode_json(&body, &limits()));
        assert!(text.contains(expected), "{body:.200}: {text}");
    }
}

#[test]
fn a_body_without_streams_is_a_problem_of_its_own() {
    for body in ["{}", "null", r#"{"streams":[]}"#, r#"{"streams":null,"unknown":1}"#] {
        let push = decode_json(body, &limits()).unwrap();
        assert_eq!(push.problems.len(), 1);
        assert_eq!(push.problems[0].status, 422);
        let text = "error at least one valid stream is required for ingestion";
        assert_eq!(response_text(&push.problems).as_deref(), Some(text));
    }
}

#[test]
fn entries_are_accepted_one_by_one() {
    let week_ns = 7 * 24 * 3_600_000_000_000i64;
    let values = [
        format!(r#"["{}","too old"]"#, NOW_NS - week_ns - 1),
        format!(r#"["{}","too new"]"#, NOW_NS + 600_000_000_001),
        format!(r#"["{NOW_NS}","{}"]"#, "L".repeat(262_145)),
        format!(r#"["{NOW_NS}","x",{{"big":"{}"}}]"#, "M".repeat(65_536)),
        format!(
            r#"["{NOW_NS}","x",{{{}}}]"#,
            (0..129).map(|n| format!("\"k{n}\":\"v\"")).collect::<Vec<_>>().join(",")
        ),
        format!(r#"["{}","good"]"#, NOW_NS - week_ns),
    ];
    let body = format!(r#"{{"streams":[{{"stream":{{"app":"ok"}},"values":[{}]}}]}}"#, values.join(","));
    let push = decode_json(&body, &limits()).unwrap();
    assert_eq!((push.accepted_lines, push.accepted_bytes, push.received_lines), (1, 4, 6));
    assert!(!push.all_accepted);
    let stream = "{app=\"ok\", service_name=\"ok\"}";
    let expected = [
        (
            "greater_than_max_sample_age",
            format!(
                "entry for stream '{stream}' has timestamp too old: 2026-01-08T10:01:39Z, oldest acceptable timestamp is: 2026-01-08T10:01:40Z"
            ),
        ),
        ("too_far_in_future", format!("entry for stream '{stream}' has timestamp too new: 2026-01-15T10:11:40Z")),
        (
            "line_too_long",
            format!(
                "max entry size '262144' bytes exceeded for stream '{stream}' while adding an entry with length '262145' bytes"
            ),
        ),
        (
            "structured_metadata_too_large",
            format!(
                "stream '{stream}' has structured metadata too large: '65539' bytes, limit: '65536' bytes. Please see `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it"
            ),
        ),
        (
            "structured_metadata_too_many",
            format!(
                "stream '{stream}' has too many structured metadata labels: '129', limit: '128'. Please see `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it"
            ),
        ),
    ];
    let found: Vec<_> = push.problems.iter().map(|p| (p.reason, p.message.clone())).collect();
    assert_eq!(found, expected);
    assert_eq!(push.problems[2].bytes, 262_145);
    assert!(response_text(&push.problems).unwrap().starts_with("1 errors like: entry for stream"));
}

#[test]
fn refusing_many_entries_makes_few_texts() {
    let values: Vec<String> = (0..5000).map(|n| format!("[\"{n}000000000\",\"x\"]")).collect();
    let body = format!(r#"{{"streams":[{{"stream":{{"app":"ok"}},"values":[{}]}}]}}"#, values.join(","));
    let push = decode_json(&body, &limits()).unwrap();
    assert!(push.problems.len() <= 10);
    assert_eq!(push.problems.iter().map(|p| p.errors).sum::<u64>(), 5000);
    assert_eq!(push.problems.iter().map(|p| p.lines).sum::<u64>(), 5000);
}

#[test]
fn limits_that_change_entries() {
    let cut = PushLimits::new(LimitValues {
        max_line_size_bytes: 8,
        max_line_size_truncate: true,
        max_line_size_truncate_identifier: "...".to_owned(),
        discover_service_name: Vec::new(),
        ..LimitValues::default()
    });
    let body = format!(
        r#"{{"streams":[{{"stream":{{"a":"x"}},"values":[["{NOW_NS}","12345678"],["{NOW_NS}","abcdéfgh12345"]]}}]}}"#
    );
    let push = decode_json(&body, &cut).unwrap();
    assert_eq!(shown(&push.batch), ["{a=\"x\"} 0 12345678 [] unknown", "{a=\"x\"} 0 abcd... [] unknown"]);
    assert_eq!((push.all_accepted, push.truncated_lines, push.truncated_bytes), (false, 1, 10));

    let spread = PushLimits::new(LimitValues { increment_duplicate_timestamp: true, ..LimitValues::default() });
    let body = format!(
        r#"{{"streams":[{{"stream":{{"a":"x"}},"values":[["{NOW_NS}","a"],["{NOW_NS}","b"],["{NOW_NS}","b"],["{NOW_NS}","c"],["{}","d"]]}}]}}"#,
        NOW_NS + 9
    );
    let times: Vec<_> = decode_json(&body, &spread).unwrap().batch.rows.ts_ns.iter().map(|ts| ts - NOW_NS).collect();
    assert_eq!(times, [0, 1, 1, 2, 9]);

    let plain = PushLimits::new(LimitValues { allow_structured_metadata: false, ..LimitValues::default() });
    let body = format!(
        r#"{{"streams":[{{"stream":{{"a":"x"}},"values":[["{NOW_NS}","error"],["{NOW_NS}","b",{{"k":"v"}}]]}}]}}"#
    );
    let push = decode_json(&body, &plain).unwrap();
    assert_eq!(push.batch.rows.levels, [Level::None as u8]);
    assert_eq!(push.problems[0].reason, "disallowed_structured_metadata");
}

#[test]
fn a_replay_gives_the_same_rows_later_and_under_smaller_limits() {
    let body =
        format!(r#"{{"streams":[{{"stream":{{"app":"x"}},"values":[["{NOW_NS}","level=warn",{{"k":"v"}}]]}}]}}"#);
    let rows = shown(&decode_json(&body, &limits()).unwrap().batch);
    let smaller = PushLimits::new(LimitValues {
        max_line_size_bytes: 1,
        max_label_names_per_series: 0,
        max_structured_metadata_size_bytes: 1,
        ..LimitValues::default()
    });
    let later_ns = NOW_NS + 365 * 86_400_000_000_000;
    let replay = |limits: &PushLimits| {
        decode_push(body.as_bytes(), PushFormat::LokiJson, ContentEncoding::Identity, limits, later_ns).unwrap()
    };
    assert_eq!(replay(&smaller).accepted_lines, 0);
    assert_eq!(shown(&replay(&smaller.for_replay()).batch), rows);
}

#[test]
fn protobuf_labels_are_refused_one_by_one() {
    let mut message = Vec::new();
    for labels in ["{a=\"x\"}", "{a-b=\"x\"}", "{}", "{ b='y', a=\"x\", }", "{a=\"1\",a=\"2\"}"] {
        let body = encode_lines(b"one\ntwo\n", labels, NOW_NS, 1, true, false).unwrap().body;
        message.extend_from_slice(&body);
    }
    let no_discovery = PushLimits::new(LimitValues { discover_service_name: Vec::new(), ..LimitValues::default() });
    let body = snappy_compress(&message).unwrap();
    let push = decode_push(&body, PushFormat::LokiProtobuf, ContentEncoding::Snappy, &no_discovery, NOW_NS).unwrap();
    assert_eq!(
        push.batch.streams.iter().map(|set| set.to_string()).collect::<Vec<_>>(),
        ["{a=\"x\"}", "{a=\"x\", b=\"y\"}"]
    );
    let reasons: Vec<_> = push.problems.iter().map(|p| (p.reason, p.lines, p.bytes)).collect();
    assert_eq!(reasons, [("invalid_labels", 2, 6), ("missing_labels", 2, 6), ("duplicate_label_names", 2, 6)]);
    assert_eq!((push.accepted_lines, push.received_lines), (4, 10));
}

#[test]
fn a_stream_that_comes_twice_has_two_runs() {
    let mut message = Vec::new();
    for labels in ["{a=\"x\"}", "{a=\"y\"}", "{ a=\"x\" }"] {
        message.extend_from_slice(&encode_lines(b"l\n", labels, NOW_NS, 1, true, false).unwrap().body);
    }
    let body = snappy_compress(&message).unwrap();
    let batch =
        decode_push(&body, PushFormat::LokiProtobuf, ContentEncoding::Identity, &limits(), NOW_NS).unwrap().batch;
    assert_eq!(batch.runs.iter().map(|run| run.stream).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(batch.streams.len(), 2);
}

#[test]
fn legacy_bodies() {
    let decode = |body: &str| {
        let open = PushLimits::new(LimitValues { reject_old_samples: false, ..LimitValues::default() });
        decode_push(body.as_bytes(), PushFormat::LegacyJson, ContentEncoding::Identity, &open, NOW_NS)
    };
    let push = decode(
        r#"{"streams":[{"entries":[{"ts":"2026-01-15T12:01:40.5+02:00","line":"a","x":1},{"ts":"2026-01-15T10:01:40Z"}],"labels":"{app=\"x\"}"}]}"#,
    );
    let labels = "{app=\"x\", service_name=\"x\"}";
    assert_eq!(
        shown(&push.unwrap().batch),
        [format!("{labels} 500000000 a [] unknown"), format!("{labels} 0  [] unknown")]
    );
    let bad = decode(r#"{"streams":[{"labels":"{app=ok}","entries":[{"ts":"2026-01-15T10:00:00Z","line":"l"}]}]}"#);
    assert_eq!(
        error_text(bad),
        "couldn't parse labels: 1:6: parse error: unexpected identifier \"ok\" in label set, expected string"
    );
    for broken in [
        r#"{"streams":[{"labels":"{}","entries":[{"line":"l"}]}]}"#,
        r#"{"streams":[{"labels":"{}","entries":[{"ts":"now"}]}]}"#,
    ] {
        error_text(decode(broken));
    }
    let modern = decode(&format!(r#"{{"streams":[{{"stream":{{"a":"x"}},"values":[["{NOW_NS}","l"]]}}]}}"#)).unwrap();
    assert_eq!((modern.accepted_lines, modern.problems.len()), (0, 0));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn encodings() {
    let json = format!(r#"{{"streams":[{{"stream":{{"a":"x"}},"values":[["{NOW_NS}","l"]]}}]}}"#);
    let proto = encode_lines(b"l\n", "{a=\"x\"}", NOW_NS, 1, true, true).unwrap().body;
    let accepted = [
        (json.clone().into_bytes(), PushFormat::LokiJson, ContentEncoding::Snappy),
        (gzip(json.as_bytes()), PushFormat::LokiJson, ContentEncoding::Gzip),
        (deflate(json.as_bytes()), PushFormat::LokiJson, ContentEncoding::Deflate),
        (zstd::encode_all(json.as_bytes(), 1).unwrap(), PushFormat::LokiJson, ContentEncoding::Zstd),
        (proto.clone(), PushFormat::LokiProtobuf, ContentEncoding::Identity),
        (gzip(&proto), PushFormat::LokiProtobuf, ContentEncoding::Gzip),
    ];
    for (body, format, encoding) in accepted {
        let push = decode_push(&body, format, encoding, &limits(), NOW_NS).unwrap();
        assert_eq!(push.accepted_lines, 1, "{format:?} {encoding:?}");
    }
    let refused = [
        (json.clone().into_bytes(), PushFormat::LokiProtobuf, ContentEncoding::Identity, "snappy: corrupt input"),
        (Vec::new(), PushFormat::LokiProtobuf, ContentEncoding::Identity, "snappy: corrupt input"),
        (
            vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0],
            PushFormat::LokiProtobuf,
            ContentEncoding::Identity,
            "snappy: corrupt input",
        ),
        (json.clone().into_bytes(), PushFormat::LokiJson, ContentEncoding::Gzip, "gzip: invalid header"),
        (Vec::new(), PushFormat::LokiJson, ContentEncoding::Gzip, "EOF"),
        (gzip(json.as_bytes())[..20].to_vec(), PushFormat::LokiJson, ContentEncoding::Gzip, "unexpected EOF"),
        (zlib(json.as_bytes()), PushFormat::LokiJson, ContentEncoding::Deflate, "deflate: "),
        (json.into_bytes(), PushFormat::LokiJson, ContentEncoding::Zstd, "zstd: "),
    ];
    for (body, format, encoding, text) in refused {
        let found = error_text(decode_push(&body, format, encoding, &limits(), NOW_NS));
        assert!(found.starts_with(text), "{format:?} {encoding:?}: {found}");
    }
}

#[test]
fn bodies_that_grow_too_large_are_stopped() {
    let small = PushLimits::new(LimitValues { max_decompressed_size_bytes: 100_000, ..LimitValues::default() });
    let bomb = vec![b' '; 50_000_000];
    let bodies = [
        (gzip(&bomb), PushFormat::LokiJson, ContentEncoding::Gzip),
        (deflate(&bomb), PushFormat::LokiJson, ContentEncoding::Deflate),
        (zstd::encode_all(&bomb[..], 1).unwrap(), PushFormat::LokiJson, ContentEncoding::Zstd),
        (snappy_compress(&bomb).unwrap(), PushFormat::LokiProtobuf, ContentEncoding::Identity),
        (bomb, PushFormat::LokiJson, ContentEncoding::Identity),
    ];
    for (body, format, encoding) in bodies {
        match decode_push(&body, format, encoding, &small, NOW_NS) {
            Err(KernelError::LimitExceeded { limit: "max_recv_msg_size", message }) => {
                assert!(message.starts_with("request body too large: "), "{message}");
            }
            other => panic!("{encoding:?}: {other:?}"),
        }
    }
}

#[test]
fn a_flood_of_empty_entries_is_stopped() {
    let entries = [0x12, 0].repeat(limits::ENTRIES_MAX + 1);
    let mut message = Vec::new();
    super::wire::put_bytes(&mut message, 1, b"{a=\"x\"}");
    message.extend_from_slice(&entries);
    let mut outer = Vec::new();
    super::wire::put_bytes(&mut outer, 1, &message);
    let body = snappy_compress(&outer).unwrap();
    let result = decode_push(&body, PushFormat::LokiProtobuf, ContentEncoding::Identity, &PushLimits::unchecked(), 0);
    assert!(matches!(result, Err(KernelError::LimitExceeded { .. })));
}

#[test]
fn text_that_is_not_utf8_is_made_so() {
    let body = encode_lines(b"\xc3\n\xa9 ok\nfine\n", "{a=\"x\"}", NOW_NS, 0, true, false).unwrap().body;
    // The sender replaces such bytes itself; put them back.
    let raw: Vec<u8> = replaced(
        &replaced(&body, "\u{fffd} ok".as_bytes(), b"\xa9\xa9\xa9 ok"),
        "\u{fffd}".as_bytes(),
        b"\xc3\xc3\xc3",
    );
    let push = decode_push(
        &snappy_compress(&raw).unwrap(),
        PushFormat::LokiProtobuf,
        ContentEncoding::Identity,
        &limits(),
        NOW_NS,
    )
    .unwrap();
    let lines: Vec<_> = (0..3).map(|row| String::from_utf8(push.batch.rows.line(row).to_vec()).unwrap()).collect();
    assert_eq!(lines, ["\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}\u{fffd} ok", "fine"]);
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = memchr::memmem::find(bytes, from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// Rows that `decode_push` could have made.
fn batches() -> impl Strategy<Value = Batch> {
    let pairs = vec(("[a-e]", ".{1,4}"), 0..3);
    let row = (any::<i64>(), ".{0,12}", pairs, 0u8..9);
    let stream = (vec(("[a-z_][a-z0-9_]{0,3}", ".{1,5}"), 1..4), vec(row, 1..6));
    vec(stream, 0..5).prop_map(|streams| {
        let mut batch = Batch::default();
        let mut meta = Metadata { names: ["a", "b", "c", "d", "e"].map(Into::into).to_vec(), ..Metadata::default() };
        for (labels, rows) in streams {
            let set = Arc::new(LabelSet::from_pairs(labels));
            let known = batch.streams.iter().position(|other| *other == set);
            let stream = known.unwrap_or_else(|| {
                batch.streams.push(set);
                batch.streams.len() - 1
            });
            let start = batch.rows.len() as u32;
            for (ts_ns, line, pairs, level) in rows {
                batch.rows.ts_ns.push(ts_ns);
                batch.rows.lines.extend_from_slice(line.as_bytes());
                batch.rows.line_ends.push(batch.rows.lines.len() as u32);
                batch.rows.levels.push(level);
                for (name, value) in LabelSet::from_pairs(pairs).iter() {
                    let start = meta.bytes.len() as u32;
                    meta.bytes.extend_from_slice(value.as_bytes());
                    let name = u32::from(name.as_bytes()[0] - b'a');
                    meta.pairs.push(MetaPair { name, start, end: meta.bytes.len() as u32 });
                }
                meta.ends.push(meta.pairs.len() as u32);
            }
            batch.runs.push(Run { stream: stream as u32, start, end: batch.rows.len() as u32 });
        }
        batch.rows = Rows { meta, ..batch.rows };
        batch
    })
}

/// Everything that two equal batches must share, whatever their tables of names.
fn content(batch: &Batch) -> (Vec<String>, &[Run], &[Arc<LabelSet>]) {
    (shown(batch), &batch.runs, &batch.streams)
}

fn valid_bodies() -> Vec<(Vec<u8>, PushFormat)> {
    let json = format!(
        r#"{{"streams":[{{"stream":{{"a":"x\u00e9"}},"values":[["{NOW_NS}","l \n"],["{NOW_NS}","level=info",{{"k":"v"}}]]}}]}}"#
    );
    let legacy = r#"{"streams":[{"labels":"{a=\"x\"}","entries":[{"ts":"2026-01-15T10:00:00Z","line":"l"}]}]}"#;
    let push = decode_json(&json, &limits()).unwrap();
    let packed = encode_batch(&push.batch).unwrap();
    let message = snap::raw::Decoder::new().decompress_vec(&packed).unwrap();
    vec![
        (json.into_bytes(), PushFormat::LokiJson),
        (legacy.as_bytes().to_vec(), PushFormat::LegacyJson),
        (packed, PushFormat::LokiProtobuf),
        (message, PushFormat::LokiProtobuf),
    ]
}

/// Checks what must hold for the rows of any body that was accepted.
fn assert_sound(push: &DecodedPush) {
    let rows = &push.batch.rows;
    assert_eq!(rows.len(), rows.line_ends.len());
    assert_eq!(rows.len(), rows.levels.len());
    assert_eq!(rows.len() as u64, push.accepted_lines);
    assert_eq!(rows.line_ends.last().map_or(0, |&end| end as usize), rows.lines.len());
    assert!(rows.meta.ends.is_empty() || rows.meta.ends.len() == rows.len());
    let mut next = 0;
    for run in &push.batch.runs {
        assert!(run.start == next && run.end > run.start && (run.stream as usize) < push.batch.streams.len());
        next = run.end;
    }
    assert_eq!(next as usize, rows.len());
    shown(&push.batch);
}

fn try_all(body: &[u8], format: PushFormat) {
    let mut packed = vec![(body.to_vec(), ContentEncoding::Identity)];
    if format == PushFormat::LokiProtobuf {
        // Once as the packed body, once as the message inside.
        packed.push((snappy_compress(body).unwrap(), ContentEncoding::Identity));
    }
    packed.push((body.to_vec(), ContentEncoding::Gzip));
    packed.push((body.to_vec(), ContentEncoding::Deflate));
    packed.push((body.to_vec(), ContentEncoding::Zstd));
    for (body, encoding) in packed {
        if let Ok(push) = decode_push(&body, format, encoding, &limits(), NOW_NS) {
            assert_sound(&push);
        }
    }
}

proptest! {
    #[test]
    fn an_encoded_batch_decodes_to_itself(batch in batches()) {
        let body = encode_batch(&batch).unwrap();
        let push = decode_push(&body, PushFormat::LokiProtobuf, ContentEncoding::Identity, &PushLimits::unchecked(), 0);
        let push = push.unwrap();
        prop_assert_eq!(content(&push.batch), content(&batch));
        prop_assert!(push.all_accepted || batch.runs.is_empty());
        assert_sound(&push);
    }

    #[test]
    fn streams_that_are_kept_keep_their_rows(batch in batches(), keep in vec(any::<bool>(), 5)) {
        let kept = subset::keep_streams(&batch, &keep);
        let expected: Vec<String> = batch
            .runs
            .iter()
            .filter(|run| keep[run.stream as usize])
            .flat_map(|run| shown(&Batch { runs: vec![*run], ..batch.clone() }))
            .collect();
        prop_assert_eq!(shown(&kept), expected);
        prop_assert_eq!(kept.streams.len(), keep.iter().take(batch.streams.len()).filter(|keep| **keep).count());
        let again = encode_batch(&kept).unwrap();
        let push = decode_push(&again, PushFormat::LokiProtobuf, ContentEncoding::Identity, &PushLimits::unchecked(), 0);
        assert_sound(&push.unwrap());
    }

    #[test]
    fn random_bytes_are_answered(body in vec(any::<u8>(), 0..200)) {
        for format in [PushFormat::LokiProtobuf, PushFormat::LokiJson, PushFormat::LegacyJson] {
            try_all(&body, format);
        }
    }

    #[test]
    fn damaged_bodies_are_answered(
        which in 0usize..4,
        cut in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (mut body, format) = valid_bodies().swap_remove(which);
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        try_all(&body, format);
        body.truncate(cut.index(body.len()));
        try_all(&body, format);
    }
}
