//! What was refused of a body, counted by reason and text, and the answer that follows from it.

/// Distinct texts kept for one body; further ones are counted under the first text of their reason.
const TEXTS_MAX: usize = 64;

/// A label can be as long as the body; its refusal need not be.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// Entries refused with one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The `reason` label of `loki_discarded_samples_total`.
    pub reason: &'static str,
    pub status: u16,
    pub message: String,
    /// How often the text was raised: once a stream or once an entry.
    pub errors: u64,
    pub lines: u64,
    /// Lines and structured metadata.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Counts one refusal and gives its place in the list, for `add`.
    pub(super) fn raise(&mut self, reason: &'static str, status: u16, message: String) -> usize {
        let message = shortened(message);
        let known = self.list.iter().position(|p| p.reason == reason && p.message == message);
        let full = self.list.len() >= TEXTS_MAX;
        let place = known.or_else(|| if full { self.list.iter().position(|p| p.reason == reason) } else { None });
        let place = place.unwrap_or_else(|| {
            self.list.push(Problem { reason, status, message, errors: 0, lines: 0, bytes: 0 });
            self.list.len() - 1
        });
        self.list[place].errors += 1;
        place
    }

    /// Counts one more refusal like the one at `place`.
    pub(super) fn raise_again(&mut self, place: usize) {
        if let Some(problem) = self.list.get_mut(place) {
            problem.errors += 1;
        }
    }

    pub(super) fn add(&mut self, place: usize, lines: u64, bytes: u64) {
        if let Some(problem) = self.list.get_mut(place) {
            problem.lines += lines;
            problem.bytes += bytes;
        }
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        self.list
    }
}

fn shortened(mut message: String) -> String {
    if message.len() > TEXT_BYTES_MAX {
        let cut = (0..=TEXT_BYTES_MAX).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
        message.truncate(cut);
        message.push('…');
    }
    message
}

/// The text of the answer, without the final newline; None when nothing was refused. One refusal is said plainly,
/// several are counted by their texts.
pub fn response_text(problems: &[Problem]) -> Option<String> {
    match problems {
        [] => None,
        [only] if only.errors == 1 => Some(only.message.clone()),
        several => {
            let parts: Vec<String> =
                several.iter().map(|p| format!("{} errors like: {}", p.errors, p.message)).collect();
            Some(parts.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_plain_and_several_are_counted() {
        let mut problems = Problems::default();
        assert_eq!(response_text(&[]), None);
        let first = problems.raise("line_too_long", 400, "long".into());
        problems.add(first, 1, 9);
        assert_eq!(response_text(&problems.list), Some("long".into()));
        problems.raise("line_too_long", 400, "long".into());
        problems.raise("too_far_in_future", 400, "new".into());
        assert_eq!(response_text(&problems.list), Some("2 errors like: long; 1 errors like: new".into()));
    }

    #[test]
    fn texts_are_bounded_in_number_and_length() {
        let mut problems = Problems::default();
        for n in 0..10_000 {
            problems.raise("line_too_long", 400, format!("{n} {}", "é".repeat(TEXT_BYTES_MAX)));
        }
        assert!(problems.list.len() <= TEXTS_MAX);
        assert_eq!(problems.list.iter().map(|p| p.errors).sum::<u64>(), 10_000);
        assert!(problems.list.iter().all(|p| p.message.len() <= TEXT_BYTES_MAX + 4));
    }
}
