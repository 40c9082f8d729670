//! `line_format` and `label_format` in pipelines: what later stages and callers see.
#![allow(clippy::unwrap_used, clippy::panic)]

use lodur_kernels::labels::LabelSet;
use lodur_kernels::level::Level;
use lodur_kernels::pipeline::plan::{
    CompareOp, Conversion, LabelChange, LabelFilter, LineFilterOp, LineMatch, MatchOp, PLAN_VERSION, PipelinePlan,
    Stage, Unwrap,
};
use lodur_kernels::pipeline::{
    Category, LabelNeeds, MetaRef, Pipeline, RowInput, RowLabels, UnwrapResult, decode_pairs, literals,
};

fn line_format(template: &str) -> Stage {
    Stage::LineFormat { template: template.to_owned() }
}

fn rename(name: &str, source: &str) -> LabelChange {
    LabelChange::Rename { name: name.to_owned(), source: source.to_owned() }
}

fn set(name: &str, template: &str) -> LabelChange {
    LabelChange::Template { name: name.to_owned(), template: template.to_owned() }
}

fn label_format(changes: &[LabelChange]) -> Stage {
    Stage::LabelFormat { changes: changes.to_vec() }
}

fn logfmt() -> Stage {
    Stage::Logfmt { strict: false, keep_empty: false, extractions: Vec::new() }
}

fn contains(value: &str) -> Stage {
    Stage::LineFilter { op: LineFilterOp::Contains, matches: vec![LineMatch::Text { value: value.to_owned() }] }
}

fn plan(stages: Vec<Stage>) -> PipelinePlan {
    PipelinePlan { version: PLAN_VERSION, stages, unwrap: None }
}

/// Line, labels by category, and the sample, after a pipeline over a line of `{app="shop", pod="p"}`, level info.
fn run(plan: &PipelinePlan, needs: &LabelNeeds, line: &str) -> Option<(String, [String; 3], UnwrapResult)> {
    let pipeline = Pipeline::compile(plan, needs).unwrap();
    let stream = LabelSet::from_pairs([("app", "shop"), ("pod", "p")]);
    let row = RowInput {
        ts_ns: 1_700_000_000_000_000_000,
        line: line.as_bytes(),
        stream: &stream,
        level: Level::Info,
        meta: MetaRef::none(),
    };
    let mut labels = RowLabels::new();
    if !pipeline.selects_line(line.as_bytes()) || !pipeline.process(row, &mut labels) {
        return None;
    }
    let category = |category| {
        let mut key = Vec::new();
        labels.write_category(category, &mut key);
        let pairs = decode_pairs(&key).unwrap();
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let labels_shown = [Category::Stream, Category::StructuredMetadata, Category::Parsed].map(category);
    Some((String::from_utf8_lossy(labels.line()).into_owned(), labels_shown, labels.unwrapped()))
}

fn parsed(stages: Vec<Stage>, line: &str) -> String {
    run(&plan(stages), &LabelNeeds::All, line).unwrap().1[2].clone()
}

#[test]
fn later_stages_see_the_new_line() {
    let made = |stages: Vec<Stage>| run(&plan(stages), &LabelNeeds::All, "a=1 b=2").map(|(line, ..)| line);
    let template = line_format("c={{.b}} {{.app}} {{__timestamp__.Year}}");
    assert_eq!(made(vec![logfmt(), template.clone()]).unwrap(), "c=2 shop 2023");
    assert_eq!(made(vec![logfmt(), template.clone(), contains("shop")]).unwrap(), "c=2 shop 2023");
    assert_eq!(made(vec![logfmt(), template.clone(), contains("a=1")]), None, "the filter is not moved before it");
    assert_eq!(parsed(vec![logfmt(), template, logfmt()], "a=1 b=2"), "a=1 b=2 c=2");
    let twice = vec![line_format("{{__line__}}!"), line_format("{{__line__}}?")];
    assert_eq!(made(twice).unwrap(), "a=1 b=2!?");
}

#[test]
fn a_filter_behind_a_new_line_prunes_no_block() {
    let required = literals::required_of(&plan(vec![contains("first"), line_format("x"), contains("second")])).unwrap();
    assert!(required.holds(b"the first"));
    let pipeline = Pipeline::compile(&plan(vec![line_format("x"), contains("x")]), &LabelNeeds::All).unwrap();
    assert!(!pipeline.has_line_filters() && pipeline.has_row_stages() && pipeline.changes_line());
}

#[test]
fn a_failure_keeps_the_line_and_marks_the_row() {
    let (line, [.., parsed], _) = run(&plan(vec![line_format("x{{div 1 0}}")]), &LabelNeeds::All, "old").unwrap();
    assert_eq!(line, "old");
    assert!(parsed.starts_with("__error__=TemplateFormatErr __error_details__=template: line:1:3: executing"));
    let is_marked = Stage::LabelFilter {
        filter: LabelFilter::Match {
            name: "__error__".to_owned(),
            op: MatchOp::Equal,
            value: "TemplateFormatErr".to_owned(),
        },
    };
    let failing = vec![label_format(&[set("x", "{{div 1 0}}")]), is_marked];
    assert!(run(&plan(failing), &LabelNeeds::None, "old").is_some());
}

#[test]
fn labels_are_renamed_and_made() {
    let stages = |changes: &[LabelChange]| vec![logfmt(), label_format(changes)];
    assert_eq!(parsed(stages(&[rename("c", "a")]), "a=1 b=2"), "b=2 c=1");
    assert_eq!(parsed(stages(&[rename("c", "none")]), "a=1"), "a=1");
    assert_eq!(parsed(stages(&[rename("a", "a")]), "a=1 b=2"), "b=2");
    assert_eq!(parsed(stages(&[rename("x", "a"), rename("y", "a")]), "a=1"), "x=1");
    assert_eq!(parsed(stages(&[set("a", "{{.a}}{{.b}}"), set("c", "")]), "a=1 b=2"), "a=12 b=2 c=");
}

#[test]
fn templates_of_one_stage_see_the_labels_before_them() {
    let stages = |changes: &[LabelChange]| vec![logfmt(), label_format(changes)];
    assert_eq!(parsed(stages(&[set("x", "v"), set("y", "{{.x}}!")]), "a=1"), "a=1 x=v y=!");
    assert_eq!(parsed(stages(&[rename("x", "a"), set("y", "{{.x}}{{.a}}!")]), "a=1"), "x=1 y=1!");
    assert_eq!(parsed(stages(&[set("y", "{{.x}}{{.a}}!"), rename("x", "a")]), "a=1"), "x=1 y=1!");
    assert_eq!(parsed(stages(&[set("y", "v"), rename("x", "a"), set("z", "{{.x}}{{.a}}")]), "a=1"), "x=1 y=v z=1");
}

#[test]
fn stored_labels_give_way() {
    let changes = [set("app", "new"), rename("level", "detected_level"), rename("who", "pod")];
    let (_, [stream, metadata, parsed], _) = run(&plan(vec![label_format(&changes)]), &LabelNeeds::All, "x").unwrap();
    assert_eq!([stream.as_str(), &metadata, &parsed], ["", "", "app=new level=info who=p"]);
}

#[test]
fn parsers_find_what_templates_need() {
    let only = |name: &str| LabelNeeds::Only(vec![name.to_owned()]);
    let formatted = plan(vec![logfmt(), label_format(&[set("x", "{{.a}}-{{.b}}")])]);
    assert_eq!(run(&formatted, &only("x"), "a=1 b=2 c=3").unwrap().1[2], "a=1 b=2 x=1-2");
    let renamed = plan(vec![logfmt(), label_format(&[rename("x", "a")]), logfmt()]);
    assert_eq!(run(&renamed, &only("x"), "a=1 b=2").unwrap().1[2], "a=1 x=1");
    let listed = plan(vec![logfmt(), line_format("{{range $k, $v := .}}{{$k}} {{end}}")]);
    let line = run(&listed, &only("x"), "a=1 b=2").unwrap().0;
    assert_eq!(line, "a app b detected_level pod ");
}

#[test]
fn samples_are_made_of_new_labels() {
    let unwrap = Unwrap { name: "n".to_owned(), conversion: Conversion::Number, filters: Vec::new() };
    let stages = vec![logfmt(), label_format(&[set("n", "{{mulf .a 2}}")])];
    let made = PipelinePlan { version: PLAN_VERSION, stages, unwrap: Some(unwrap) };
    assert_eq!(run(&made, &LabelNeeds::None, "a=1.5").unwrap().2, UnwrapResult::Value(3.0));
    let more = LabelFilter::Number { name: "n".to_owned(), op: CompareOp::Greater, value: 2.0 };
    let filtered = plan(vec![line_format("n=3"), logfmt(), Stage::LabelFilter { filter: more }]);
    assert!(run(&filtered, &LabelNeeds::None, "x").is_some());
}

#[test]
fn wrong_templates_are_refused() {
    let error = |stage: Stage| match Pipeline::compile(&plan(vec![stage]), &LabelNeeds::All) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted"),
    };
    assert!(error(line_format("{{")).contains("invalid line template: template: line:1: unclosed action"));
    let wrong_label = label_format(&[set("x", "{{nosuch}}")]);
    assert!(error(wrong_label).contains("invalid template for label 'x': template: label:1: function \"nosuch\""));
}

#[test]
fn expressions_of_templates_are_counted() {
    let many = label_format(&vec![set("x", "{{count \"a\" .x}}{{regexReplaceAllLiteral \"b\" .x \"\"}}"); 600]);
    let error = Pipeline::compile(&plan(vec![many]), &LabelNeeds::All).unwrap_err().to_string();
    assert!(error.contains("query of 1200 regular expressions, at most 1024 are allowed"), "{error}");
}
