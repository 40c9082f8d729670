//! Lines put together by what they have in common, in the manner of Drain: a tree whose first level is the shape of a
//! line (its level, separators, number of words and keys), with a few templates below each shape.
//!
//! A line joins the template of its shape with which it shares most words, if those are enough; words in which the two
//! differ become placeholders. A template therefore always covers all of its lines.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::level::Level;
use crate::patterns::words::{WordKind, Words};

pub const PLACEHOLDER: &str = "<_>";

/// Templates of one shape: further kinds of lines with that shape are not counted.
const TEMPLATES_MAX: usize = 32;

/// What a template takes beside its texts, and each of its words and counts.
const TEMPLATE_BYTES: usize = 200;
const WORD_BYTES: usize = 24;
const COUNT_BYTES: usize = 48;

/// Lines by time; times are numbers of steps since the epoch.
pub type Counts = BTreeMap<i64, u64>;

/// A word of a template; None is a placeholder.
type Slot = Option<Box<[u8]>>;

#[derive(Debug)]
struct Template {
    words: Vec<Slot>,
    counts: Counts,
    lines: u64,
}

/// All templates of one shape.
#[derive(Debug)]
struct Shape {
    /// Before each word, and behind the last.
    gaps: Vec<Box<[u8]>>,
    kinds: Vec<WordKind>,
    open: bool,
    level: Level,
    templates: Vec<Template>,
}

/// A pattern and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    pub level: Level,
    pub counts: Counts,
    pub lines: u64,
}

/// Finds patterns in the lines it is given.
pub struct Miner {
    shapes: HashMap<Box<[u8]>, Shape>,
    words: Words,
    key: Vec<u8>,
    bytes: usize,
    bytes_max: usize,
    /// No new templates are made any more.
    full: bool,
}

impl Miner {
    /// A miner that takes about so much memory; beyond it templates of a single line are forgotten, and where that does
    /// not help, no new ones are made.
    pub fn new(bytes_max: usize) -> Self {
        Miner { shapes: HashMap::new(), words: Words::default(), key: Vec::new(), bytes: 0, bytes_max, full: false }
    }

    /// Count a line at a time; lines that are too long, or of too many kinds, are passed over.
    pub fn add(&mut self, line: &[u8], level: Level, time: i64) {
        if !self.words.cut(line) {
            return;
        }
        write_key(&mut self.key, &self.words, line, level);
        if !self.shapes.contains_key(&*self.key) {
            if !self.has_room() {
                return;
            }
            let shape = Shape::of(&self.words, line, level);
            self.bytes += TEMPLATE_BYTES + self.key.len() * 2 + self.words.words.len() * WORD_BYTES;
            self.shapes.insert(self.key.as_slice().into(), shape);
        }
        let room = self.has_room();
        let Some(shape) = self.shapes.get_mut(&*self.key) else { return };
        let words: Vec<&[u8]> = self.words.words.iter().map(|word| &line[word.at.clone()]).collect();
        let place = shape.closest(words.iter().map(|word| Some(*word)));
        let place = match place {
            Some(place) => place,
            None if shape.templates.len() >= TEMPLATES_MAX || !room => return,
            None => {
                let template = Template::of(&words, &self.words);
                self.bytes += template.bytes();
                shape.templates.push(template);
                shape.templates.len() - 1
            }
        };
        let template = &mut shape.templates[place];
        template.take(words.iter().map(|word| Some(*word)));
        if !template.counts.contains_key(&time) {
            if !room {
                return;
            }
            self.bytes += COUNT_BYTES;
        }
        *template.counts.entry(time).or_default() += 1;
        template.lines += 1;
    }

    /// Take over the templates of another miner.
    pub fn merge(&mut self, other: Miner) {
        for (key, mut theirs) in other.shapes {
            theirs.templates.sort_by_key(|template| std::cmp::Reverse(template.lines));
            match self.shapes.entry(key) {
                hashbrown::hash_map::Entry::Vacant(free) => {
                    free.insert(theirs);
                }
                hashbrown::hash_map::Entry::Occupied(mut known) => known.get_mut().merge(theirs),
            }
        }
    }

    /// The patterns of at least so many lines, those of most lines first.
    pub fn patterns(self, lines_min: u64) -> Vec<Pattern> {
        let mut found: BTreeMap<(String, Level), Pattern> = BTreeMap::new();
        for shape in self.shapes.into_values() {
            for index in 0..shape.templates.len() {
                let text = shape.pattern(&shape.templates[index]);
                let template = &shape.templates[index];
                let pattern = found.entry((text.clone(), shape.level)).or_insert_with(|| Pattern {
                    text,
                    level: shape.level,
                    counts: Counts::new(),
                    lines: 0,
                });
                template.counts.iter().for_each(|(time, count)| *pattern.counts.entry(*time).or_default() += count);
                pattern.lines += template.lines;
            }
        }
        let mut patterns: Vec<Pattern> = found.into_values().filter(|pattern| pattern.lines >= lines_min).collect();
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.lines));
        patterns
    }

    fn has_room(&mut self) -> bool {
        if self.bytes >= self.bytes_max && !self.full {
            self.forget_single_lines();
            self.full = self.bytes >= self.bytes_max / 4 * 3;
        }
        !self.full
    }

    fn forget_single_lines(&mut self) {
        self.shapes.retain(|_, shape| {
            shape.templates.retain(|template| template.lines > 1);
            !shape.templates.is_empty()
        });
        self.bytes = self
            .shapes
            .iter()
            .map(|(key, shape)| {
                let templates: usize =
                    shape.templates.iter().map(|template| template.bytes() + template.counts.len() * COUNT_BYTES).sum();
                TEMPLATE_BYTES + key.len() * 2 + shape.kinds.len() * WORD_BYTES + templates
            })
            .sum();
    }
}

/// The shape of a line as bytes. Words are told apart by nothing here, keys are spelt out.
fn write_key(key: &mut Vec<u8>, words: &Words, line: &[u8], level: Level) {
    key.clear();
    key.extend_from_slice(&[level as u8, u8::from(words.is_open(line))]);
    for (number, word) in words.words.iter().enumerate() {
        key.extend_from_slice(&line[words.gap(number)]);
        if word.kind == WordKind::Key {
            key.push(1);
            key.extend_from_slice(&line[word.at.clone()]);
        } else {
            key.push(0);
        }
    }
    key.extend_from_slice(&line[words.gap(words.words.len())]);
}

impl Shape {
    fn of(words: &Words, line: &[u8], level: Level) -> Self {
        Shape {
            gaps: (0..=words.words.len()).map(|number| line[words.gap(number)].into()).collect(),
            kinds: words.words.iter().map(|word| word.kind).collect(),
            open: words.is_open(line),
            level,
            templates: Vec::new(),
        }
    }

    /// The template that shares most words with these, if it shares enough.
    fn closest<'l>(&self, words: impl Iterator<Item = Option<&'l [u8]>> + Clone) -> Option<usize> {
        let says = |word: &Option<&[u8]>| {
            word.is_some_and(|word| word.iter().all(|byte| !byte.is_ascii_digit() && *byte != b'<'))
        };
        let telling =
            words.clone().zip(&self.kinds).filter(|(word, kind)| **kind != WordKind::Key && says(word)).count();
        let enough = telling.div_ceil(2).max(telling.min(2));
        let mut best: Option<(usize, usize)> = None;
        for (place, template) in self.templates.iter().enumerate() {
            let shared = words
                .clone()
                .zip(&template.words)
                .zip(&self.kinds)
                .filter(|((word, known), kind)| **kind != WordKind::Key && known.as_deref() == *word && says(word))
                .count();
            if shared >= enough && best.is_none_or(|(_, most)| shared > most) {
                best = Some((place, shared));
                if shared == telling {
                    break;
                }
            }
        }
        best.map(|(place, _)| place)
    }

    fn merge(&mut self, other: Shape) {
        for theirs in other.templates {
            match self.closest(theirs.words.iter().map(Option::as_deref)) {
                Some(place) => {
                    let template = &mut self.templates[place];
                    template.take(theirs.words.iter().map(Option::as_deref));
                    theirs.counts.iter().for_each(|(time, count)| *template.counts.entry(*time).or_default() += count);
                    template.lines += theirs.lines;
                }
                None if self.templates.len() < TEMPLATES_MAX => self.templates.push(theirs),
                None => {}
            }
        }
    }

    fn pattern(&self, template: &Template) -> String {
        let mut text = Vec::new();
        let around = if self.open { PLACEHOLDER } else { "" };
        text.extend_from_slice(around.as_bytes());
        for (gap, word) in self.gaps.iter().zip(&template.words) {
            text.extend_from_slice(gap);
            text.extend_from_slice(word.as_deref().unwrap_or(PLACEHOLDER.as_bytes()));
        }
        text.extend_from_slice(self.gaps.last().map_or(&[], |gap| gap));
        text.extend_from_slice(around.as_bytes());
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Template {
    fn of(texts: &[&[u8]], words: &Words) -> Self {
        let slots = texts.iter().zip(&words.words);
        let words = slots.map(|(text, word)| (word.kind != WordKind::Never).then(|| Box::from(*text))).collect();
        Template { words, counts: Counts::new(), lines: 0 }
    }

    /// Make placeholders of the words in which the template differs from these.
    fn take<'l>(&mut self, words: impl Iterator<Item = Option<&'l [u8]>>) {
        for (slot, word) in self.words.iter_mut().zip(words) {
            if slot.as_deref() != word {
                *slot = None;
            }
        }
    }

    fn bytes(&self) -> usize {
        let texts: usize = self.words.iter().flatten().map(|word| word.len()).sum();
        TEMPLATE_BYTES + texts + self.words.len() * WORD_BYTES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::pattern_filter::PatternFilter;

    fn mine(lines: &[String]) -> Vec<Pattern> {
        let mut miner = Miner::new(1 << 20);
        lines.iter().enumerate().for_each(|(time, line)| miner.add(line.as_bytes(), Level::Info, time as i64));
        miner.patterns(1)
    }

    fn texts(lines: &[&str]) -> Vec<(String, u64)> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        mine(&lines).into_iter().map(|pattern| (pattern.text, pattern.lines)).collect()
    }

    #[test]
    fn what_differs_becomes_a_placeholder() {
        let found = texts(&[
            "user 17 logged in from north",
            "user 18 logged in from south",
            "user 19 logged in from east",
            "job 5 finished in 12ms",
            "job 6 finished in 13ms",
        ]);
        let expected = [("user <_> logged in from <_>", 3), ("job <_> finished in <_>", 2)];
        assert_eq!(found, expected.map(|(text, lines)| (text.to_owned(), lines)));
    }

    #[test]
    fn what_is_always_the_same_stays() {
        let found = texts(&["level=warn status=404 path=/a tenant=x", "level=warn status=404 path=/b7 tenant=x"]);
        assert_eq!(found, [("level=warn status=404 path=<_> tenant=x".to_owned(), 2)]);
    }

    #[test]
    fn other_keys_make_other_patterns() {
        assert_eq!(texts(&["a=1 b=2", "a=1 c=2", "a=3 b=4"]).len(), 2);
    }

    #[test]
    fn messages_of_json_stand_for_their_lines() {
        let found = texts(&[r#"{"level":"info","msg":"took 5ms","z":1}"#, r#"{"msg":"took 7ms","level":"warn"}"#]);
        assert_eq!(found, [(r#"<_>"msg":"took <_>"<_>"#.to_owned(), 2)]);
        assert_eq!(texts(&[r#"{"n":1}"#, r#"{"n":2}"#]), [(r#"{"n":<_>}"#.to_owned(), 2)]);
    }

    #[test]
    fn kinds_of_lines_are_bounded() {
        let lines: Vec<String> = (0u8..100).map(|n| format!("{0}{0} {0}x{0} end", char::from(b'a' + n % 26))).collect();
        let words: Vec<String> =
            lines.iter().enumerate().map(|(n, line)| line.replace("end", &"q".repeat(n + 1))).collect();
        let found = mine(&words);
        assert!(found.len() <= TEMPLATES_MAX);
        assert!(found.iter().map(|pattern| pattern.lines).sum::<u64>() <= 100);
    }

    #[test]
    fn rare_templates_make_room() {
        let mut miner = Miner::new(20_000);
        for n in 0..2000 {
            miner.add(b"heartbeat of node one", Level::Info, 0);
            miner.add("x ".repeat(n % 300 + 1).as_bytes(), Level::Info, 0);
            assert!(miner.bytes < 40_000);
        }
        let most = &miner.patterns(2)[0];
        assert_eq!((most.text.as_str(), most.lines), ("heartbeat of node one", 2000));
    }

    fn lines() -> impl Strategy<Value = Vec<String>> {
        let piece = prop_oneof![
            "[a-c]{1,3}",
            "[0-9]{1,3}",
            Just("<_>".to_owned()),
            Just("<name>".to_owned()),
            Just("é<".to_owned()),
            "[ =,;\"()|{}\\[\\]:\\\\]{1,2}",
        ];
        let text = proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
        let json = text.clone().prop_map(|text| format!("{{\"msg\":\"{}\",\"n\":1}}", text.replace(['"', '\\'], "")));
        let like = (0u32..50, "[a-c]{1,2}").prop_map(|(n, word)| format!("request {n} of {word} took {n}ms"));
        proptest::collection::vec(prop_oneof![text, json, like], 0..40)
    }

    proptest! {
        #[test]
        fn each_line_passes_its_pattern(lines in lines(), cut in 0usize..40) {
            let cut = cut.min(lines.len());
            let (mut miner, mut other) = (Miner::new(1 << 20), Miner::new(1 << 20));
            for (time, line) in lines.iter().enumerate() {
                let miner = if time < cut { &mut miner } else { &mut other };
                miner.add(line.as_bytes(), Level::Info, time as i64);
            }
            miner.merge(other);
            let mut counted = vec![0u64; lines.len()];
            for pattern in miner.patterns(1) {
                let filter = PatternFilter::compile(&pattern.text).unwrap();
                prop_assert_eq!(pattern.counts.values().sum::<u64>(), pattern.lines);
                for (time, count) in &pattern.counts {
                    counted[*time as usize] += count;
                    let line = &lines[*time as usize];
                    prop_assert!(filter.is_match(line.as_bytes()), "{:?} {:?}", pattern.text, line);
                }
            }
            prop_assert!(counted.iter().all(|count| *count <= 1));
        }
    }
}
