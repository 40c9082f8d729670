//! Pipelines as their users see them: rules of parsers, filters, errors and series keys, and hostile lines.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use lodur_kernels::batch::{MetaPair, Metadata};
use lodur_kernels::labels::LabelSet;
use lodur_kernels::level::Level;
use lodur_kernels::pipeline::plan::{
    CompareOp, Conversion, Extraction, LabelFilter, LabelTarget, LineFilterOp, LineMatch, MatchOp, PLAN_VERSION,
    PipelinePlan, Stage, Unwrap, ValueMatcher,
};
use lodur_kernels::pipeline::{
    Category, Grouping, LabelNeeds, MetaRef, Pipeline, RowInput, RowLabels, UnwrapResult, decode_group_key,
    decode_pairs,
};
use proptest::prelude::*;

fn json() -> Stage {
    Stage::Json { extractions: Vec::new() }
}

fn logfmt() -> Stage {
    Stage::Logfmt { strict: false, keep_empty: false, extractions: Vec::new() }
}

fn strict_logfmt(keep_empty: bool) -> Stage {
    Stage::Logfmt { strict: true, keep_empty, extractions: Vec::new() }
}

fn regexp(expression: &str) -> Stage {
    Stage::Regexp { expression: expression.to_owned() }
}

fn pattern(expression: &str) -> Stage {
    Stage::Pattern { expression: expression.to_owned() }
}

fn extractions(pairs: &[(&str, &str)]) -> Vec<Extraction> {
    let extraction = |(name, expression): &(&str, &str)| Extraction {
        name: (*name).to_owned(),
        expression: (*expression).to_owned(),
    };
    pairs.iter().map(extraction).collect()
}

fn text_is(name: &str, op: MatchOp, value: &str) -> LabelFilter {
    LabelFilter::Match { name: name.to_owned(), op, value: value.to_owned() }
}

fn number_is(name: &str, op: CompareOp, value: f64) -> LabelFilter {
    LabelFilter::Number { name: name.to_owned(), op, value }
}

fn filter(filter: LabelFilter) -> Stage {
    Stage::LabelFilter { filter }
}

fn contains(value: &str) -> Stage {
    Stage::LineFilter { op: LineFilterOp::Contains, matches: vec![LineMatch::Text { value: value.to_owned() }] }
}

fn plan(stages: Vec<Stage>) -> PipelinePlan {
    PipelinePlan { version: PLAN_VERSION, stages, unwrap: None }
}

fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    let mut metadata = Metadata::default();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let start = metadata.bytes.len() as u32;
        metadata.names.push((*name).into());
        metadata.bytes.extend_from_slice(value.as_bytes());
        metadata.pairs.push(MetaPair { name: index as u32, start, end: metadata.bytes.len() as u32 });
    }
    metadata.ends.push(pairs.len() as u32);
    metadata
}

/// What a row looks like after a pipeline: `name=value` in order of names.
struct Outcome {
    labels: String,
    parsed: String,
    line: String,
    unwrapped: UnwrapResult,
    metric_error: Option<String>,
}

fn shown(key: &[u8]) -> String {
    let pairs = decode_pairs(key).unwrap();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// Run a pipeline over a line of the stream `{app="shop"}` with metadata `trace="t1"`; None if the row is dropped.
fn run(plan: &PipelinePlan, needs: &LabelNeeds, line: &str) -> Option<Outcome> {
    let pipeline = Pipeline::compile(plan, needs).unwrap();
    let stream = LabelSet::from_pairs([("app", "shop")]);
    let metadata = metadata(&[("trace", "t1")]);
    if !pipeline.selects_line(line.as_bytes()) {
        return None;
    }
    let row = RowInput {
        ts_ns: 7,
        line: line.as_bytes(),
        stream: &stream,
        level: Level::None,
        meta: MetaRef::new(&metadata, 0),
    };
    let mut labels = RowLabels::new();
    if !pipeline.process(row, &mut labels) {
        return None;
    }
    let (mut all, mut parsed) = (Vec::new(), Vec::new());
    labels.write_group_key(&Grouping::all(), &mut all);
    labels.write_category(Category::Parsed, &mut parsed);
    Some(Outcome {
        labels: shown(&all),
        parsed: shown(&parsed),
        line: String::from_utf8_lossy(labels.line()).into_owned(),
        unwrapped: labels.unwrapped(),
        metric_error: labels.metric_error(false, true),
    })
}

fn parsed(stages: Vec<Stage>, line: &str) -> String {
    run(&plan(stages), &LabelNeeds::All, line).unwrap().parsed
}

fn passes(stages: Vec<Stage>, line: &str) -> bool {
    run(&plan(stages), &LabelNeeds::All, line).is_some()
}

#[test]
fn json_makes_labels_of_scalars() {
    let parse = |line: &str| parsed(vec![json()], line);
    assert_eq!(
        parse(r#"{"a":1.50,"b":"x","c":true,"d":null,"e":[1],"f":{"g":{"h":"deep"}}}"#),
        "a=1.50 b=x c=true f_g_h=deep"
    );
    assert_eq!(parse(r#"{"weird key!":"1","9s":"2","ünï":"3","":"4"}"#), "_9s=2 _n_=3 weird_key_=1");
    assert_eq!(parse(r#"{"a":{"b":1},"a_b":2,"app":"x","trace":"y"}"#), "a_b=1 app_extracted=x trace_extracted=y");
    assert_eq!(parse("{\"uni\":\"\\u00e9\\ud83d\\ude00\",\"bad\":\"\\ud800 lone\"}"), "bad= uni=é😀");
    assert_eq!(parse("  { \"a\" : \"v\" ,\t\"b\" : 2 }  tail"), "a=v b=2");
}

#[test]
fn json_defects_keep_what_was_found() {
    let parse = |line: &str| parsed(vec![json()], line);
    let object = "__error__=JSONParserErr __error_details__=Value looks like object, but can't find closing '}' symbol";
    assert_eq!(parse("not json"), object);
    assert_eq!(parse("[1]"), object);
    assert_eq!(parse(r#"{"a":"1" "b":"2"}"#), format!("{object} a=1"));
    assert_eq!(parse(r#"{"a":"1","b":"#), "__error__=JSONParserErr __error_details__=Malformed JSON error a=1");
    assert_eq!(parse(r#"{"a":tru}"#), "__error__=JSONParserErr __error_details__=Unknown value type");
    assert_eq!(parse(r#"{"__error__":"forged","a":1}"#), "__error__=forged a=1");
}

#[test]
fn json_paths_take_only_what_they_name() {
    let stage = |pairs: &[(&str, &str)]| vec![Stage::Json { extractions: extractions(pairs) }];
    let line = r#"{"o":{"k":[1,2]},"app":"x","n":null}"#;
    assert_eq!(
        parsed(stage(&[("k", "o.k[1]"), ("o", "o"), ("app", "app")]), line),
        "app_extracted=x k=2 o={\"k\":[1,2]}"
    );
    assert_eq!(parsed(stage(&[("m", "missing"), ("n", "n"), ("trace", "missing")]), line), "m= n=");
    assert_eq!(parsed(stage(&[("a", "a")]), "plain"), "__error__=JSONParserErr");
    assert_eq!(parsed(stage(&[("a", "a")]), ""), "");
}

#[test]
fn logfmt_skips_broken_pairs_unless_strict() {
    let line = "a=1 a=2 =x b=c=d \"q\"=1 e=\"f \\\"g\\\"\" bare empty= app=z";
    assert_eq!(parsed(vec![logfmt()], line), "a=1 app_extracted=z e=f \"g\"");
    let details = "__error__=LogfmtParserErr __error_details__=logfmt syntax error at pos 9 : unexpected '='";
    assert_eq!(parsed(vec![strict_logfmt(false)], line), format!("{details} a=1"));
    assert_eq!(parsed(vec![strict_logfmt(true)], "bare a= b=\"\" c=1"), "a= b= bare= c=1");
    let untended =
        "__error__=LogfmtParserErr __error_details__=logfmt syntax error at pos 16 : unterminated quoted value";
    assert_eq!(parsed(vec![strict_logfmt(false)], "a=\"unterminated"), untended);
}

#[test]
fn logfmt_extractions_take_the_last_pair() {
    let stage = |pairs: &[(&str, &str)]| {
        vec![Stage::Logfmt { strict: false, keep_empty: false, extractions: extractions(pairs) }]
    };
    assert_eq!(parsed(stage(&[("x", "a"), ("missing", "nope"), ("app", "nope")]), "a=1 a=2"), "missing= x=2");
    assert_eq!(parsed(stage(&[("app", "app")]), "app=z"), "app_extracted=z");
}

#[test]
fn regexp_and_pattern_name_parts_of_the_line() {
    assert_eq!(parsed(vec![regexp("(?P<a>x)|(?P<b>y)")], "y"), "a= b=y");
    assert_eq!(parsed(vec![regexp("(?P<a>z)")], "y"), "");
    assert_eq!(parsed(vec![regexp("(?P<app>\\w+) (?P<n>\\d+)")], "cart 12"), "app_extracted=cart n=12");
    assert_eq!(
        parsed(vec![pattern("<ip> - <_> [<ts>] <rest>")], "1.2.3.4 - x [now] a b"),
        "ip=1.2.3.4 rest=a b ts=now"
    );
    assert_eq!(parsed(vec![pattern("<a>,<b>,<c>")], "1,2"), "a=1 b=2");
    assert_eq!(parsed(vec![pattern("x<a>")], "y"), "");
    assert_eq!(parsed(vec![json(), regexp("(?P<a>[0-9]+)")], r#"{"a":"1"}"#), "a=1");
}

#[test]
fn wrong_expressions_are_refused_in_lokis_words() {
    let error = |stage: Stage| Pipeline::compile(&plan(vec![stage]), &LabelNeeds::All).unwrap_err().to_string();
    assert_eq!(error(regexp(".*")), "invalid regexp parser: at least one named capture must be supplied");
    assert_eq!(error(regexp("(?P<a>.)(?P<a>.)")), "invalid regexp parser: duplicate extracted label name 'a'");
    assert_eq!(error(regexp("(?P<a>.*")), "invalid regexp parser: error parsing regexp: missing closing ): `(?P<a>.*`");
    assert_eq!(
        error(pattern("<a><b>")),
        "invalid pattern parser: found consecutive capture '<a><b>': invalid expression"
    );
    assert_eq!(error(pattern("<a> <a>")), "invalid pattern parser: duplicate capture name (a): invalid expression");
    assert_eq!(error(pattern("<_>")), "invalid pattern parser: at least one capture is required");
    let stage = Stage::Json { extractions: extractions(&[("x", "a..b")]) };
    assert_eq!(error(stage), "cannot parse expression [a..b]: syntax error: unexpected DOT, expecting FIELD");
}

#[test]
fn unpack_restores_labels_and_line() {
    let packed = r#"{"pod":"p-0","app":"x","n":1,"_entry":"level=info \"q\""}"#;
    let outcome = run(&plan(vec![Stage::Unpack {}, logfmt(), contains("info")]), &LabelNeeds::All, packed).unwrap();
    assert_eq!(outcome.line, "level=info \"q\"");
    assert_eq!(outcome.parsed, "app_extracted=x level=info pod=p-0");
    assert_eq!(parsed(vec![Stage::Unpack {}], r#"{"pod":"p-0"}"#), "");
    let wrong = "__error__=JSONParserErr __error_details__=expecting json object(6), but it is not";
    assert_eq!(parsed(vec![Stage::Unpack {}], " {}"), wrong);
}

#[test]
fn decolorize_strips_sequences_after_the_line_filters() {
    let colored = "\u{1b}[31mERROR\u{1b}[0m step";
    let outcome =
        run(&plan(vec![Stage::Decolorize {}, contains("step"), logfmt()]), &LabelNeeds::All, colored).unwrap();
    assert_eq!(outcome.line, "ERROR step");
    assert!(!passes(vec![Stage::Decolorize {}, contains("ERROR step")], colored));
}

#[test]
fn label_filters_compare_and_mark_what_they_cannot_read() {
    let over = |value: f64| filter(number_is("n", CompareOp::Greater, value));
    assert!(passes(vec![logfmt(), over(1.0)], "n=2") && !passes(vec![logfmt(), over(2.0)], "n=2"));
    assert!(!passes(vec![logfmt(), filter(number_is("n", CompareOp::NotEqual, 1.0))], "m=2"), "a missing label drops");
    let marked = "__error__=LabelFilterErr __error_details__=strconv.ParseFloat: parsing \"x\": invalid syntax n=x";
    assert_eq!(parsed(vec![logfmt(), over(1.0), over(2.0)], "n=x"), marked);
    let duration =
        LabelFilter::Duration { name: "d".to_owned(), op: CompareOp::GreaterOrEqual, value_ns: 1_500_000_000 };
    assert!(
        passes(vec![logfmt(), filter(duration.clone())], "d=1.5s") && !passes(vec![logfmt(), filter(duration)], "d=1s")
    );
    let bytes = LabelFilter::Bytes { name: "s".to_owned(), op: CompareOp::Less, value_bytes: 2000 };
    assert!(
        passes(vec![logfmt(), filter(bytes.clone())], "s=1.9KB") && !passes(vec![logfmt(), filter(bytes)], "s=2KiB")
    );
    let ip = |negated| LabelFilter::Ip { name: "a".to_owned(), negated, value: "10.0.0.0/8".to_owned() };
    assert!(
        passes(vec![logfmt(), filter(ip(false))], "a=10.1.2.3:80")
            && !passes(vec![logfmt(), filter(ip(true))], "a=10.1.2.3")
    );
    assert!(passes(vec![logfmt(), filter(ip(true))], "a=host") && !passes(vec![logfmt(), filter(ip(true))], "b=1"));
}

#[test]
fn string_filters_see_missing_labels_as_empty() {
    let matches = |op, value: &str, line: &str| passes(vec![logfmt(), filter(text_is("a", op, value))], line);
    assert!(matches(MatchOp::Equal, "", "b=1") && matches(MatchOp::NotEqual, "x", "b=1"));
    assert!(matches(MatchOp::Regex, "x|y", "a=y") && !matches(MatchOp::Regex, "x|y", "a=xy"));
    assert!(matches(MatchOp::Regex, "[0-9]+", "a=12") && !matches(MatchOp::Regex, "[0-9]+", "a=12x"));
    assert!(matches(MatchOp::Regex, "pi.*", "a=/api/v1"), "a text beside .* may stand anywhere, as in Loki");
    assert!(!matches(MatchOp::NotRegex, "pi.*", "a=/api/v1"));
    let both =
        LabelFilter::And { operands: vec![text_is("a", MatchOp::Equal, "1"), text_is("b", MatchOp::Equal, "2")] };
    let either = LabelFilter::Or { operands: vec![both, text_is("c", MatchOp::Equal, "3")] };
    let holds = |line: &str| passes(vec![logfmt(), filter(either.clone())], line);
    assert!(holds("a=1 b=2") && holds("c=3") && !holds("a=1"));
    let no_error = |line: &str| passes(vec![json(), filter(text_is("__error__", MatchOp::Equal, ""))], line);
    assert!(no_error(r#"{"a":1}"#) && no_error(r#"{"__error__":"forged"}"#) && !no_error("text"));
}

#[test]
fn comparisons_see_labels_as_parsed() {
    let level_is = |value: &str| filter(text_is("level", MatchOp::Equal, value));
    let drop = || Stage::Drop { targets: vec![LabelTarget { name: "level".to_owned(), matcher: None }] };
    assert!(!passes(vec![logfmt(), drop(), level_is("")], "level=info"), "as in Loki");
    assert!(passes(vec![logfmt(), drop(), level_is("")], "n=1"));
    assert!(passes(vec![level_is(""), logfmt()], "level=info"), "a filter before the parser sees no label");
    let last = Stage::Logfmt { strict: false, keep_empty: false, extractions: extractions(&[("level", "level")]) };
    assert!(passes(vec![last, level_is("b")], "level=a level=b"));
    assert_eq!(parsed(vec![json(), level_is("b")], r#"{"a":1,"level":"b","c":2}"#), "a=1 c=2 level=b");
}

#[test]
fn drop_and_keep_choose_labels() {
    let target = |name: &str, value: Option<&str>| LabelTarget {
        name: name.to_owned(),
        matcher: value.map(|value| ValueMatcher { op: MatchOp::Equal, value: value.to_owned() }),
    };
    let labels = |stages: Vec<Stage>, line: &str| run(&plan(stages), &LabelNeeds::All, line).unwrap().labels;
    let drop = Stage::Drop { targets: vec![target("app", None), target("a", Some("1")), target("b", Some("1"))] };
    assert_eq!(labels(vec![logfmt(), drop], "a=1 b=2"), "b=2 trace=t1");
    let keep = Stage::Keep { targets: vec![target("a", None), target("b", Some("1"))] };
    assert_eq!(labels(vec![logfmt(), keep.clone()], "a=1 b=2"), "a=1");
    assert!(labels(vec![json(), keep], "text").starts_with("__error__=JSONParserErr"));
    let drop_error = Stage::Drop { targets: vec![target("__error__", None), target("__error_details__", None)] };
    assert_eq!(labels(vec![json(), drop_error], "text"), "app=shop trace=t1");
}

#[test]
fn unwrap_reads_samples() {
    let unwrap = |name: &str, conversion, filters| PipelinePlan {
        unwrap: Some(Unwrap { name: name.to_owned(), conversion, filters }),
        ..plan(vec![logfmt()])
    };
    let value = |conversion, line: &str| {
        run(&unwrap("v", conversion, Vec::new()), &LabelNeeds::All, line).map(|outcome| outcome.unwrapped)
    };
    assert_eq!(value(Conversion::Number, "v=1e3"), Some(UnwrapResult::Value(1000.0)));
    assert_eq!(value(Conversion::DurationSeconds, "v=129.45ms"), Some(UnwrapResult::Value(0.12945)));
    assert_eq!(value(Conversion::Bytes, "v=.5MB"), Some(UnwrapResult::Value(500_000.0)));
    assert_eq!(value(Conversion::Number, "w=1"), None);
    let outcome = run(&unwrap("v", Conversion::Number, Vec::new()), &LabelNeeds::None, "v=x w=1").unwrap();
    assert_eq!(outcome.unwrapped, UnwrapResult::Error);
    assert_eq!(
        outcome.metric_error.unwrap(),
        "pipeline error: 'SampleExtractionErr' for series: '{__error__=\"SampleExtractionErr\", \
         __error_details__=\"strconv.ParseFloat: parsing \\\"x\\\": invalid syntax\", app=\"shop\", trace=\"t1\", v=\"x\"}'.\n\
         Use a label filter to intentionally skip this error. (e.g | __error__!=\"SampleExtractionErr\").\n\
         To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n\
         The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n"
    );
    let clean = unwrap("v", Conversion::Number, vec![text_is("__error__", MatchOp::Equal, "")]);
    assert!(run(&clean, &LabelNeeds::None, "v=x").is_none());
}

#[test]
fn needs_decide_what_parsers_do() {
    let only = |names: &[&str]| LabelNeeds::Only(names.iter().map(|name| (*name).to_owned()).collect());
    let broken = r#"{"level":"error","n":1,"#;
    let labels = |needs: &LabelNeeds, line: &str| run(&plan(vec![json()]), needs, line).unwrap().parsed;
    assert_eq!(labels(&only(&["level"]), broken), "level=error", "reading ends before the defect");
    assert!(labels(&only(&["other"]), broken).starts_with("__error__"));
    assert!(labels(&only(&["level", "__error__"]), broken).starts_with("__error__"));
    assert_eq!(labels(&only(&["app_extracted"]), r#"{"app":"x","b":1}"#), "app_extracted=x");
    assert_eq!(labels(&only(&["o_k_x"]), r#"{"o":{"j":2,"k":{"x":1}},"b":1}"#), "o_k_x=1");
    assert_eq!(labels(&LabelNeeds::None, "no json"), "", "without needs the parser does not run");
    assert!(!Pipeline::compile(&plan(vec![json()]), &LabelNeeds::None).unwrap().has_row_stages());
    let filtered = plan(vec![json(), filter(text_is("level", MatchOp::Equal, "error"))]);
    assert_eq!(run(&filtered, &LabelNeeds::None, broken).unwrap().parsed, "level=error");
}

#[test]
fn metadata_gives_way_to_stream_labels() {
    let pipeline = Pipeline::compile(&plan(vec![logfmt()]), &LabelNeeds::All).unwrap();
    let stream = LabelSet::from_pairs([("app", "shop")]);
    let metadata = metadata(&[("app", "meta"), ("tier", "gold")]);
    let mut labels = RowLabels::new();
    let mut categories = |line: &'static str| {
        let meta = MetaRef::new(&metadata, 0);
        let row = RowInput { ts_ns: 0, line: line.as_bytes(), stream: &stream, level: Level::Warn, meta };
        assert!(pipeline.process(row, &mut labels));
        assert_eq!(labels.get("app"), Some(&b"shop"[..]));
        [Category::Stream, Category::StructuredMetadata, Category::Parsed].map(|category| {
            let mut key = Vec::new();
            labels.write_category(category, &mut key);
            shown(&key)
        })
    };
    assert_eq!(categories("x"), ["app=shop", "app_extracted=meta detected_level=warn tier=gold", ""]);
    assert_eq!(
        categories("app=line tier=line detected_level=x"),
        [
            "app=shop",
            "detected_level=warn tier=gold",
            "app_extracted=line detected_level_extracted=x tier_extracted=line"
        ]
    );
}

#[test]
fn keys_tell_series_apart() {
    let pipeline = Pipeline::compile(&plan(vec![logfmt()]), &LabelNeeds::All).unwrap();
    let stream = LabelSet::from_pairs([("app", "shop"), ("pod", "p")]);
    let key = |grouping: &Grouping, line: &str| {
        let row =
            RowInput { ts_ns: 0, line: line.as_bytes(), stream: &stream, level: Level::Info, meta: MetaRef::none() };
        let mut labels = RowLabels::new();
        assert!(pipeline.process(row, &mut labels));
        let mut key = Vec::new();
        labels.write_group_key(grouping, &mut key);
        decode_group_key(&key).unwrap().to_string()
    };
    assert_eq!(key(&Grouping::by(["pod", "a", "none"]), "a=1 b=2"), "{a=\"1\", pod=\"p\"}");
    assert_eq!(key(&Grouping::without(["pod", "b"]), "b=2 a=1"), "{a=\"1\", app=\"shop\", detected_level=\"info\"}");
    assert_eq!(key(&Grouping::by(Vec::<String>::new()), "a=1"), "{}");
    assert!(decode_group_key(&[9, 0, 0, 0, 1]).is_err());
}

/// Flatten a JSON object as the parser should, from a tree built by the generator.
fn flatten(prefix: &str, members: &[(String, Json)], out: &mut BTreeMap<String, String>) {
    for (key, value) in members {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}_{key}") };
        match value {
            Json::Text(text) | Json::Number(text) => {
                out.entry(name).or_insert_with(|| text.clone());
            }
            Json::Object(members) => flatten(&name, members, out),
            Json::Array(_) | Json::Null => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Json {
    Text(String),
    Number(String),
    Null,
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn write(&self, out: &mut String, blank: &str) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Number(text) => out.push_str(text),
            Json::Text(text) => {
                out.push('"');
                for c in text.chars() {
                    match c {
                        '"' | '\\' => out.extend(['\\', c]),
                        '\n' => out.push_str("\\n"),
                        c => out.push(c),
                    }
                }
                out.push('"');
            }
            Json::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write(out, blank);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { blank });
                    out.push_str(&format!("\"{key}\"{blank}:{blank}"));
                    value.write(out, blank);
                }
                out.push('}');
            }
        }
    }
}

fn json_object() -> impl Strategy<Value = Vec<(String, Json)>> {
    let leaf = prop_oneof![
        "[a-z\"\\\\\n{}\\[\\],é ]{0,12}".prop_map(Json::Text),
        "-?[1-9][0-9]{0,3}".prop_map(Json::Number),
        Just(Json::Null),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec(("[a-d]{1,2}", inner), 0..4).prop_map(Json::Object),
        ]
    });
    prop::collection::vec(("[a-d]{1,2}", value), 0..6)
}

fn every_parser() -> Vec<Vec<Stage>> {
    vec![
        vec![json()],
        vec![Stage::Json { extractions: extractions(&[("x", "a.b[0]"), ("y", "[1]")]) }],
        vec![logfmt()],
        vec![strict_logfmt(true)],
        vec![Stage::Logfmt { strict: false, keep_empty: true, extractions: extractions(&[("x", "a")]) }],
        vec![Stage::Unpack {}, json(), logfmt()],
        vec![Stage::Decolorize {}, pattern("<a> <b>=<c>"), regexp("(?P<d>.)(?P<e>.)?$")],
        vec![logfmt(), filter(number_is("a", CompareOp::Less, 3.0))],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn json_labels_are_those_of_the_tree(members in json_object(), blank in prop::sample::select(vec!["", " ", "\n\t "])) {
        let mut line = String::new();
        Json::Object(members.clone()).write(&mut line, blank);
        let mut expected = BTreeMap::new();
        flatten("", &members, &mut expected);
        let expected: Vec<String> = expected.iter().map(|(name, value)| format!("{name}={value}")).collect();
        prop_assert_eq!(parsed(vec![json()], &line), expected.join(" "), "{}", line);
    }

    #[test]
    fn logfmt_labels_are_the_first_of_each_pair(pairs in prop::collection::vec(("[a-d]{1,2}", "[a-z0-9 \"\\\\é]{1,6}"), 0..6)) {
        let mut line = String::new();
        let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, value) in &pairs {
            let plain = !value.contains([' ', '"', '\\']);
            let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
            line.push_str(&format!("{key}={} ", if plain { value.clone() } else { quoted }));
            expected.entry(key).or_insert(value);
        }
        let expected: Vec<String> = expected.iter().map(|(name, value)| format!("{name}={value}")).collect();
        prop_assert_eq!(parsed(vec![strict_logfmt(false)], &line), expected.join(" "), "{}", line);
    }

    #[test]
    fn hostile_lines_harm_nothing(line in prop::collection::vec(any::<u8>(), 0..64), shaped in "[\\[{\"\\\\:,=a1 \u{1b}\\]}é]{0,48}") {
        for stages in every_parser() {
            for needs in [LabelNeeds::All, LabelNeeds::Only(vec!["a".to_owned(), "x".to_owned()])] {
                let pipeline = Pipeline::compile(&plan(stages.clone()), &needs).unwrap();
                let stream = LabelSet::from_pairs([("app", "shop")]);
                let mut labels = RowLabels::new();
                for line in [&line, shaped.as_bytes()] {
                    let row = RowInput { ts_ns: 0, line, stream: &stream, level: Level::Info, meta: MetaRef::none() };
                    if pipeline.process(row, &mut labels) {
                        let mut key = Vec::new();
                        labels.write_group_key(&Grouping::all(), &mut key);
                        prop_assert!(decode_group_key(&key).is_ok());
                    }
                }
            }
        }
    }
}

#[test]
fn deep_nesting_is_bounded() {
    let deep = "{\"a\":".repeat(20_000);
    let closed = format!("{deep}1{}", "}".repeat(20_000));
    assert_eq!(parsed(vec![json()], &closed), "");
    assert!(parsed(vec![json()], &deep).starts_with("__error__=JSONParserErr"));
    let path = Stage::Json { extractions: extractions(&[("x", "a.a.a")]) };
    assert!(parsed(vec![path], &closed).starts_with("x={"));
}
