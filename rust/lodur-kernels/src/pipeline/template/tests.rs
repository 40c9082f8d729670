//! Templates as a whole: against recorded answers of Go, at random, and on hostile input.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::call::Function;
use super::exec::{MADE_BYTES_MAX, STEPS_MAX};
use super::parse::NESTING_MAX;
use super::{Needs, Row, Template};

/// Made by Go's own text/template with the libraries that Loki uses; `about` in the file says how.
const RECORDED: &str = include_str!("testdata/go.json");

struct TestRow {
    line: Vec<u8>,
    ts_ns: i64,
    labels: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Row for TestRow {
    fn line(&self) -> &[u8] {
        &self.line
    }

    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }

    fn label(&self, name: &[u8]) -> Option<&[u8]> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    fn each_label<'s>(&'s self, visit: &mut dyn FnMut(&'s [u8], &'s [u8])) {
        self.labels.iter().for_each(|(name, value)| visit(name, value));
    }
}

fn bytes(text: &Json) -> Vec<u8> {
    match text {
        Json::String(text) => text.clone().into_bytes(),
        hex => {
            let hex = hex["hex"].as_str().unwrap();
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }
    }
}

fn recorded_row(recorded: &Json) -> TestRow {
    let labels = recorded["labels"].as_object().unwrap();
    TestRow {
        line: bytes(&recorded["line"]),
        ts_ns: recorded["ts_ns"].as_i64().unwrap(),
        labels: labels.iter().map(|(name, value)| (name.clone().into_bytes(), bytes(value))).collect(),
    }
}

fn row(labels: &[(&str, &str)]) -> TestRow {
    let labels = labels.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
    TestRow { line: b"the line".to_vec(), ts_ns: 0, labels }
}

fn run(template: &str, row: &TestRow) -> Result<String, String> {
    let template = Template::compile("line", template)?;
    let out = template.execute(row, Vec::new(), &mut 0).map_err(|failure| failure.0)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn says_what_go_says() {
    let recorded: Json = serde_json::from_str(RECORDED).unwrap();
    let row = recorded_row(&recorded);
    let mut wrong = Vec::new();
    let cases = recorded["cases"].as_array().unwrap();
    for case in cases {
        let text = case[0].as_str().unwrap();
        let (kind, said) = match Template::compile("line", text) {
            Err(problem) => ("refused", problem.into_bytes()),
            Ok(template) => match template.execute(&row, Vec::new(), &mut 0) {
                Err(failure) => ("failed", failure.0.into_bytes()),
                Ok(out) => ("text", out),
            },
        };
        if kind != case[1].as_str().unwrap() || said != bytes(&case[2]) {
            wrong.push(format!("{text}: {} {}, not {kind} {}", case[1], case[2], String::from_utf8_lossy(&said)));
        }
    }
    assert!(cases.len() > 1_000);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn every_function_is_known_by_its_name() {
    for function in Function::ALL {
        assert_eq!(Function::named(function.name()), Some(*function));
    }
    assert_eq!(Function::named("env"), None);
}

#[test]
fn knows_what_it_looks_at() {
    let needs = |template: &str| Template::compile("line", template).unwrap().needs().clone();
    let names = |template: &str| {
        let Needs { names, all, line } = needs(template);
        (names.iter().map(|name| &**name).collect::<Vec<_>>().join(" "), all, line)
    };
    assert_eq!(names("{{.a}} {{if .b}}{{upper .c}}{{end}}"), ("a b c".to_owned(), false, false));
    assert_eq!(names("{{__line__ | len}}{{$x := .a}}{{$x}}"), ("a".to_owned(), false, true));
    assert_eq!(names("{{$.a}}{{range (fromJson .b).c}}{{.}}{{.d}}{{end}}"), ("a b d".to_owned(), false, false));
    for all in ["{{.}}", "{{$}}", "{{len .}}", "{{index . \"a\"}}", "{{range $k, $v := .}}{{end}}", "{{with .}}{{end}}"]
    {
        assert!(needs(all).all, "{all}");
    }
    assert!(needs("{{with .a}}x{{else}}{{.}}{{end}}").all);
    assert!(!needs("{{with .a}}{{.}}{{end}}").all);
    assert!(needs("{{define \"T\"}}{{.}}{{end}}{{template \"T\" .}}").all);
    assert!(!needs("{{define \"T\"}}{{.}}{{end}}{{template \"T\" .a}}").all);
}

#[test]
fn what_a_row_costs_is_bounded() {
    let row = row(&[("a", "x"), ("deep", &"[".repeat(100_000)), ("wide", &format!("[{}0]", "[],".repeat(400_000)))]);
    let steps = format!("more than {STEPS_MAX} steps");
    let bytes = format!("more than {MADE_BYTES_MAX} bytes of text");
    let wide = format!("{{{{printf \"{}\" 1}}}}", "%1000000[1]d".repeat(9));
    let nested = format!("{}x{}", "{{if .a}}".repeat(NESTING_MAX), "{{end}}".repeat(NESTING_MAX));
    assert_eq!(run(&nested, &row).unwrap(), "x");
    let parentheses = |count: usize| format!("{{{{{}.a{}}}}}", "(".repeat(count), ")".repeat(count));
    assert_eq!(run(&parentheses(NESTING_MAX), &row).unwrap(), "x");
    for (template, problem) in [
        ("{{range 1000000000}}{{end}}", steps.as_str()),
        ("{{range 9223372036854775807}}x{{end}}", &steps),
        ("{{range 1000}}{{range 1000}}{{end}}{{end}}", &steps),
        ("{{repeat 9223372036854775807 \"x\"}}", &bytes),
        ("{{repeat 100000000 \"x\"}}", &bytes),
        ("{{indent 1000000000 \"x\"}}", &bytes),
        ("{{nindent 9223372036854775807 \"x\"}}", &bytes),
        ("{{alignLeft 1000000000 \"x\"}}", &bytes),
        ("{{alignRight 9223372036854775807 \"x\"}}", &bytes),
        ("{{$x := \"xx\"}}{{range 100}}{{$x = print $x $x}}{{end}}", &bytes),
        ("{{$x := \"xx\"}}{{range 100}}{{$x = replace \"x\" $x $x}}{{end}}", &bytes),
        ("{{$x := \"xx\"}}{{range 100}}{{$x = regexReplaceAll \"x\" $x $x}}{{end}}", &bytes),
        ("{{range 1000}}{{printf \"%1000000d\" 1}}{{end}}", &bytes),
        ("{{range 1000}}{{printf \"%.1000000f\" 1.5}}{{end}}", &bytes),
        (&wide, &bytes),
        ("{{define \"R\"}}{{template \"R\"}}{{end}}{{template \"R\"}}", "exceeded maximum template depth"),
        ("{{fromJson .wide}}", "JSON values"),
        (
            "{{$x := 1.0000001}}{{range 1000}}{{$x = mulf $x $x 1e300 1e-300}}{{end}}",
            "Cannot create a Decimal from +Inf",
        ),
        ("{{$r := print \"a{1000}\"}}{{range 100000}}{{count $r \"a\"}}{{end}}", "bytes of text to look at"),
    ] {
        let start = Instant::now();
        let said = run(template, &row).unwrap_err();
        assert!(said.contains(problem), "{template}: {said}");
        assert!(start.elapsed() < Duration::from_secs(5), "{template}");
    }
    assert_eq!(run("{{fromJson .deep}}", &row).unwrap(), "<no value>");
    for deep in [nested.replace('x', "{{if .a}}{{end}}"), parentheses(NESTING_MAX + 1), parentheses(100_000)] {
        assert!(run(&deep, &row).unwrap_err().contains("nested too deeply"));
    }
}

/// Pieces from which templates are put together; most combinations are wrong, and many are right.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    "text",
    ".a",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "|",
    "(",
    ")",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "nil",
    "true",
    "5",
    "-3",
    "2.5",
    "1i",
    "0x1p-2",
    "'x'",
    "\"a\"",
    "`b`",
    "\"%5d %v\"",
    "{{if .a}}",
    "{{end}}",
    "{{range .}}",
    "{{else}}",
    "{{$x := .a}}",
    "{{/* c */}}",
    "printf",
    "print",
    "len",
    "index",
    "slice",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "html",
    "js",
    "call",
    "upper",
    "title",
    "replace",
    "trunc",
    "substr",
    "repeat",
    "indent",
    "alignLeft",
    "regexReplaceAll",
    "count",
    "urldecode",
    "b64dec",
    "bytes",
    "duration",
    "date",
    "toDate",
    "toDateInZone",
    "unixToTime",
    "now",
    "default",
    "fromJson",
    "int",
    "float64",
    "add",
    "div",
    "mod",
    "addf",
    "divf",
    "round",
    "max",
    "__line__",
    "__timestamp__",
    "__timestamp__.Format",
    ".Year",
    ".k",
    "\"2006-01-02 MST\"",
    "\"Europe/Berlin\"",
    "é",
    "\u{1F600}",
];

/// One call with arguments of many kinds, which is usually right.
fn any_call() -> impl Strategy<Value = String> {
    let argument = prop::sample::select(vec![
        ".a",
        ".",
        "$",
        "nil",
        "true",
        "5",
        "-3",
        "99",
        "2.5",
        "'x'",
        "\"a\"",
        "\"\"",
        "\"(\"",
        "__line__",
        "__timestamp__",
        "(fromJson .j)",
        "(fromJson .j).k",
        "(int .a)",
        "\"%d%s\"",
        "\"2006 Jan _2 MST .999\"",
        ".bad",
    ]);
    let function = prop::sample::select(Function::ALL);
    (function, prop::collection::vec(argument, 0..4), any::<bool>()).prop_map(|(function, mut arguments, piped)| {
        let last = if piped { arguments.pop() } else { None };
        let call = [&[function.name()][..], &arguments].concat().join(" ");
        last.map_or_else(|| format!("{{{{{call}}}}}"), |last| format!("{{{{{last} | {call}}}}}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = Template::compile("line", &text);
        let _ = Template::compile("line", &format!("{{{{{text}}}}}"));
    }

    #[test]
    fn any_pieces_run_or_fail(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        let row = row(&[("a", "5"), ("j", "{\"k\":[1,null]}")]);
        let _ = run(&pieces.concat(), &row);
        let _ = run(&pieces.join(" "), &row);
    }

    #[test]
    fn any_call_answers(calls in prop::collection::vec(any_call(), 1..4), value in prop::collection::vec(any::<u8>(), 0..20)) {
        let mut row = row(&[("a", "5"), ("j", "{\"k\":[1,null]}")]);
        row.labels.push((b"bad".to_vec(), value));
        let _ = run(&calls.concat(), &row);
    }
}
