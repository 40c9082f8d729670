//! Fields and labels that clients offer for filtering: what entries hold beside their stream labels, and of what type.
//!
//! Works on the entries of a log query, which bound its work. Structured metadata are fields as they are. Where the
//! query parses lines, what it found are the others; else a line is read as JSON if it is an object, and as logfmt if
//! not. A name that a stream label has becomes `name_extracted`. Labels are found in `labels`, types in `kind`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::fields::json::scalars;
use crate::fields::kind::Kinds;
use crate::pipeline::label_name::{EXTRACTED_SUFFIX, sanitise};
use crate::pipeline::logfmt_scan::Pairs;
use crate::pipeline::{ERROR_DETAILS_NAME, ERROR_NAME, decode_pairs};
use crate::scan::logs::Entry;
use crate::scan::parallel::Cancel;

pub mod json;
pub mod kind;
pub mod labels;

/// Fields told at most, whatever is asked: more than anybody reads.
const FIELDS_MAX: usize = 10_000;

/// Values that are told apart at most, of all fields together (64 MiB); a cardinality beyond is what it was till then.
const DISTINCT_MAX: usize = 4 << 20;

const JSON: &str = "json";
const LOGFMT: &str = "logfmt";

/// A field of some entries.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    /// Parsers that find it; none for structured metadata.
    pub parsers: Vec<String>,
    /// Keys that lead to it in a JSON line.
    pub json_path: Option<Vec<String>>,
    kinds: Kinds,
    /// Hashes of the values.
    values: HashSet<u64>,
}

impl Field {
    fn new(name: String) -> Self {
        Field { name, parsers: Vec::new(), json_path: None, kinds: Kinds::default(), values: HashSet::new() }
    }

    pub fn kind(&self) -> &'static str {
        self.kinds.name()
    }

    /// Distinct values.
    pub fn cardinality(&self) -> usize {
        self.values.len()
    }
}

/// Where a field comes from.
#[derive(Clone, Copy)]
enum Origin {
    Metadata,
    /// A parser of the query.
    Query,
    /// What reads lines like this one.
    Line(&'static str),
}

/// A value found in an entry.
struct Find<'l> {
    name: Cow<'l, [u8]>,
    value: Cow<'l, [u8]>,
    origin: Origin,
    path: Option<Vec<Vec<u8>>>,
}

/// The fields of entries of a query with these parsers, in the order in which they are met; the first `limit`.
pub fn detect(entries: &[Entry], parsers: &[String], limit: usize, cancel: &Cancel) -> Result<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut distinct = 0;
    each_find(entries, parsers, cancel, |find| {
        let place = match places.get(&*find.name) {
            Some(place) => *place,
            None if fields.len() >= limit.min(FIELDS_MAX) => return,
            None => {
                places.insert(find.name.to_vec(), fields.len());
                fields.push(Field::new(text(&find.name)));
                fields.len() - 1
            }
        };
        let field = &mut fields[place];
        field.kinds.see(&find.value);
        if distinct < DISTINCT_MAX && field.values.insert(xxh3_64(&find.value)) {
            distinct += 1;
        }
        match find.origin {
            Origin::Metadata => {}
            Origin::Query => field.parsers = parsers.to_vec(),
            Origin::Line(parser) if field.parsers.iter().any(|known| known == parser) => {}
            Origin::Line(parser) => field.parsers.push(parser.to_owned()),
        }
        if field.json_path.is_none() {
            field.json_path = find.path.map(|path| path.iter().map(|key| text(key)).collect());
        }
    })?;
    Ok(fields)
}

/// Distinct values of one field, in the order in which they are met; the first `limit`.
pub fn values_of(
    entries: &[Entry],
    parsers: &[String],
    name: &str,
    limit: usize,
    cancel: &Cancel,
) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    let mut seen: HashSet<u64> = HashSet::new();
    each_find(entries, parsers, cancel, |find| {
        if *find.name == *name.as_bytes() && found.len() < limit && seen.insert(xxh3_64(&find.value)) {
            found.push(text(&find.value));
        }
    })?;
    Ok(found)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Visit the structured metadata and the parsed values of all entries.
fn each_find(entries: &[Entry], parsers: &[String], cancel: &Cancel, mut visit: impl FnMut(Find<'_>)) -> Result<()> {
    let mut stream_key: &[u8] = &[];
    let mut stream_names: HashSet<Vec<u8>> = HashSet::new();
    for entry in entries {
        cancel.check()?;
        if entry.stream != stream_key {
            stream_key = &entry.stream;
            stream_names = decode_pairs(stream_key)?.into_iter().map(|(name, _)| name.into_bytes()).collect();
        }
        for (name, value) in decode_pairs(&entry.metadata)? {
            let (name, value) = (Cow::Owned(name.into_bytes()), Cow::Owned(value.into_bytes()));
            visit(Find { name, value, origin: Origin::Metadata, path: None });
        }
        if parsers.is_empty() {
            line_finds(&entry.line, &stream_names).into_iter().for_each(&mut visit);
        } else {
            parsed_finds(entry, parsers)?.into_iter().for_each(&mut visit);
        }
    }
    Ok(())
}

/// What the query's parsers made of the line.
fn parsed_finds<'l>(entry: &Entry, parsers: &[String]) -> Result<Vec<Find<'l>>> {
    let is_json = parsers.iter().any(|parser| parser == JSON);
    let mut paths: HashMap<Vec<u8>, Vec<Vec<u8>>> = HashMap::new();
    for scalar in is_json.then(|| scalars(&entry.line)).flatten().into_iter().flatten() {
        paths.entry(scalar.name).or_insert(scalar.path);
    }
    let is_error = |name: &str| name == ERROR_NAME || name == ERROR_DETAILS_NAME;
    let pairs = decode_pairs(&entry.parsed)?.into_iter().filter(|(name, _)| !is_error(name));
    Ok(pairs
        .map(|(name, value)| {
            let key = name.strip_suffix(EXTRACTED_SUFFIX).filter(|_| !paths.contains_key(name.as_bytes()));
            let path = paths.get(key.unwrap_or(&name).as_bytes()).cloned();
            let (name, value) = (Cow::Owned(name.into_bytes()), Cow::Owned(value.into_bytes()));
            Find { name, value, origin: Origin::Query, path }
        })
        .collect())
}

/// What a parser would make of the line; the first find of a name counts.
fn line_finds<'l>(line: &'l [u8], stream_names: &HashSet<Vec<u8>>) -> Vec<Find<'l>> {
    let found: Vec<Find<'l>> = match scalars(line) {
        Some(scalars) => scalars
            .into_iter()
            .map(|one| Find {
                name: Cow::Owned(one.name),
                value: one.value,
                origin: Origin::Line(JSON),
                path: Some(one.path),
            })
            .collect(),
        None => logfmt_finds(line),
    };
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    found
        .into_iter()
        .filter(|find| seen.insert(find.name.to_vec()))
        .map(|find| {
            if !stream_names.contains(&*find.name) {
                return find;
            }
            Find { name: Cow::Owned([&*find.name, EXTRACTED_SUFFIX.as_bytes()].concat()), ..find }
        })
        .collect()
}

fn logfmt_finds(line: &[u8]) -> Vec<Find<'_>> {
    let mut pairs = Pairs::new(line);
    let mut found = Vec::new();
    while let Some(pair) = pairs.next_pair() {
        match pair {
            Ok(pair) => {
                let name = sanitise(pair.key);
                if !pair.value.is_empty() && !name.is_empty() {
                    found.push(Find { name, value: pair.value, origin: Origin::Line(LOGFMT), path: None });
                }
            }
            Err(_) => pairs.skip_to_blank(),
        }
    }
    found
}
