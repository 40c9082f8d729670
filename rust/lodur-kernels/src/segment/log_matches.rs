//! What repeats in a page of log lines, for zstd to encode: a search of our own, that knows what logs look like.
//!
//! In logs the text between numbers repeats, and the numbers do not. So the search looks at *gaps*: what lies between two
//! runs of digits. A few tables know where a gap stood last, alone and together with the digits next to it; the longest
//! match with one of these places is taken, from the last digits before the gap to the first ones behind it, or over
//! several gaps. Only in gaps never seen are words looked up. That are a tenth of the searches of zstd's thorough levels,
//! in half of their time, and what is found is about as good (docs/decisions/0004-compaction.md has the figures).
//!
//! Start at `LogMatcher::find`. Whatever the bytes are, the sequences rebuild them; that they are logs only makes them few.

/// Literals, then a copy of earlier bytes. With `length` 0 the literals end a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub literals: u32,
    pub length: u32,
    pub offset: u32,
}

/// zstd's blocks hold no more.
pub const BLOCK_BYTES_MAX: usize = 128 << 10;

/// Logarithm of the window that sequences need: hardly a page of lines is longer.
pub const WINDOW_LOG: u32 = 22;
const DISTANCE_MAX: usize = (1 << WINDOW_LOG) - 1;

/// A copy is cut here, so that it fits into any block.
const LENGTH_MAX: usize = BLOCK_BYTES_MAX / 2;

/// A single byte between digits is part of the number, as in 10.0.3.7 or 12:30.
const GAP_BYTES_MIN: usize = 2;

/// Ways to look a gap up, and the logarithm of the places that each remembers: together they stay in the caches.
const GAP_TABLES: usize = 6;
const GAP_LOG: u32 = 15;
type GapTable = [u32; 1 << GAP_LOG];

/// Words are looked up by so many bytes, among their latest places.
const WORD_BYTES: usize = 6;
const WORD_PLACES: usize = 4;
const WORD_LOG: u32 = 12;

/// What a copy costs, in quarters of a literal byte, or about bits: at the distance of the one before, and at another, where
/// each bit of the distance costs one more.
const SAME_DISTANCE_COST: usize = 8;
const DISTANCE_COST: usize = 10;

/// Bytes at both ends of a page that are not looked at, so that words can be loaded around every place.
const MARGIN: usize = 8;

const MULTIPLIER: u64 = 0x9E37_79B1_85EB_CA87;

/// Finds the sequences of one page after the other; keeps its tables between them.
pub struct LogMatcher {
    digits: Bits,
    letters: Bits,
    /// In each table by `gap_slots`, where the gap stood last; 0 for nowhere.
    gaps: Vec<GapTable>,
    /// Of words: the slot to be filled next, and the places.
    words: Vec<(u32, [u32; WORD_PLACES])>,
    sequences: Vec<Sequence>,
}

/// What was emitted so far.
#[derive(Default)]
struct Progress {
    /// End of the last match.
    done: usize,
    /// Where the current block begins.
    block: usize,
    /// Of the last match; 0 before the first.
    distance: usize,
}

impl Default for LogMatcher {
    fn default() -> Self {
        LogMatcher {
            digits: Bits::default(),
            letters: Bits::default(),
            gaps: vec![[0; 1 << GAP_LOG]; GAP_TABLES],
            words: vec![(0, [0; WORD_PLACES]); 1 << WORD_LOG],
            sequences: Vec::new(),
        }
    }
}

impl LogMatcher {
    /// Sequences that rebuild `page`, which has less than 2^32 bytes, in blocks of at most `BLOCK_BYTES_MAX`. What lies before
    /// `lines_at`, at most the page's end, is no text and gets blocks of its own: other bytes are frequent in it.
    pub fn find(&mut self, page: &[u8], lines_at: usize) -> &[Sequence] {
        self.sequences.clear();
        self.gaps.iter_mut().for_each(|table| table.fill(0));
        self.words.fill((0, [0; WORD_PLACES]));
        self.digits.set(page, |byte| byte.is_ascii_digit());
        self.digits.close_single_gaps();
        self.letters.set(page, |byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
        let mut progress = Progress::default();
        if lines_at > 0 {
            self.end_blocks(lines_at, 0, &mut progress);
            self.end_block(lines_at, &mut progress);
        }
        let until = page.len().saturating_sub(MARGIN);
        let mut from = lines_at.max(MARGIN);
        while from < until {
            let start = self.digits.next(false, from, until);
            let end = self.digits.next(true, start, until);
            if end >= start + GAP_BYTES_MIN {
                self.gap(page, start, end, &mut progress);
            }
            from = end;
        }
        self.end_blocks(page.len(), 0, &mut progress);
        self.end_block(page.len(), &mut progress);
        &self.sequences
    }

    /// Match the gap from `start` to `end`, unless a match covers it already, and remember it.
    #[inline(always)]
    fn gap(&mut self, page: &[u8], start: usize, end: usize, progress: &mut Progress) {
        let slots = gap_slots(page, start, end);
        if end > progress.done + GAP_BYTES_MIN {
            let mut known = [0; GAP_TABLES];
            for ((known, table), slot) in known.iter_mut().zip(&self.gaps).zip(slots) {
                *known = table[slot] as usize;
            }
            // All are loaded before the first is looked at: memory answers several questions at once.
            let heads = known.map(|at| word_at(page, at));
            let own = word_at(page, start);
            let place = Place { page, start, done: progress.done };
            let mut found = Match::default();
            if progress.distance != 0 && start > progress.distance {
                place.try_match(start - progress.distance, |_| SAME_DISTANCE_COST, &mut found);
            }
            // Which places are worth a look is gathered without a branch, as nobody could foretell it.
            let (mut places, mut count, mut latest) = ([0; GAP_TABLES], 0, [0; 2]);
            for (at, head) in known.into_iter().zip(heads) {
                if let Some(place) = places.get_mut(count) {
                    *place = at;
                }
                let is_new = (at != 0) & (at != latest[0]) & (at != latest[1]);
                let is_like = (head ^ own) << (64 - 8 * GAP_BYTES_MIN) == 0;
                count += usize::from(is_new & is_like);
                latest = [at, latest[0]];
            }
            for at in places.into_iter().take(count) {
                place.try_match(at, distance_cost, &mut found);
            }
            self.emit(&found, progress);
            if progress.done < end {
                self.words_between(page, start, end, progress);
            }
        }
        for (table, slot) in self.gaps.iter_mut().zip(slots) {
            table[slot] = start as u32;
        }
    }

    /// Match and remember the words of a gap.
    fn words_between(&mut self, page: &[u8], start: usize, end: usize, progress: &mut Progress) {
        let mut from = start;
        loop {
            let word = self.letters.next(true, from, end);
            if word + WORD_BYTES > end {
                return;
            }
            from = self.letters.next(false, word, end);
            let slot = top_bits(word_at(page, word) << (64 - 8 * WORD_BYTES), WORD_LOG);
            let (next, known) = &mut self.words[slot];
            let (place, places) = (Place { page, start: word, done: progress.done }, *known);
            known[*next as usize % WORD_PLACES] = word as u32;
            *next = next.wrapping_add(1);
            if word >= progress.done {
                let mut found = Match::default();
                for at in places.into_iter().filter(|at| *at != 0) {
                    place.try_match(at as usize, distance_cost, &mut found);
                }
                self.emit(&found, progress);
            }
        }
    }

    fn emit(&mut self, found: &Match, progress: &mut Progress) {
        if found.length == 0 {
            return;
        }
        self.end_blocks(found.at, found.length, progress);
        let offset = found.at - found.from;
        let literals = (found.at - progress.done) as u32;
        self.sequences.push(Sequence { literals, length: found.length as u32, offset: offset as u32 });
        progress.done = found.at + found.length;
        progress.distance = offset;
    }

    /// End blocks until literals up to `at` and a copy of `length` bytes fit into the current one.
    fn end_blocks(&mut self, at: usize, length: usize, progress: &mut Progress) {
        while at + length > progress.block + BLOCK_BYTES_MAX {
            self.end_block(at.min(progress.block + BLOCK_BYTES_MAX), progress);
        }
    }

    fn end_block(&mut self, at: usize, progress: &mut Progress) {
        self.sequences.push(Sequence { literals: (at - progress.done) as u32, length: 0, offset: 0 });
        (progress.done, progress.block) = (at, at);
    }
}

/// Where the tables remember a gap: by itself, and with so many of the bytes around it.
#[inline(always)]
fn gap_slots(page: &[u8], start: usize, end: usize) -> [usize; GAP_TABLES] {
    let gap = hash_text(page, start, end);
    let (before, behind) = (word_at(page, start - MARGIN), word_at(page, end));
    let with = |before_bytes: u32, behind_bytes: u32| {
        let before = before.checked_shr(64 - 8 * before_bytes).unwrap_or(0);
        let behind = behind.checked_shl(64 - 8 * behind_bytes).unwrap_or(0);
        // At most four bytes before lie in the lower half, at most three behind in the upper one.
        top_bits(gap ^ before ^ behind, GAP_LOG)
    };
    [with(4, 1), with(3, 0), with(2, 1), with(0, 3), with(1, 1), with(0, 0)]
}

/// Of a copy from so many bytes before, at least 1.
#[inline(always)]
fn distance_cost(distance: usize) -> usize {
    DISTANCE_COST + distance.ilog2() as usize
}

/// A match that was found: where it begins, where the same bytes lie, and what it saves in quarters of a literal byte.
#[derive(Clone, Copy, Default)]
struct Match {
    at: usize,
    from: usize,
    length: usize,
    gain: usize,
}

/// A place that is to be matched; a match may begin from `done` on.
struct Place<'a> {
    page: &'a [u8],
    start: usize,
    done: usize,
}

impl Place<'_> {
    /// Put the match with the bytes at `at` into `best` where it gains more.
    #[inline(always)]
    fn try_match(&self, at: usize, cost: impl Fn(usize) -> usize, best: &mut Match) {
        // The match before may end behind the start.
        let start = self.start.max(self.done);
        let from = at + (start - self.start);
        if from >= start || start - from > DISTANCE_MAX {
            return;
        }
        let cost = cost(start - from);
        let backward = equal_before(self.page, start, from, start - self.done);
        // So many bytes must be equal from here on to gain more. Where two places differ they do so at the end.
        let wanted = ((best.gain + cost) / 4 + 1).saturating_sub(backward).max(GAP_BYTES_MIN);
        if wanted >= 8 && word_at(self.page, start + wanted - 8) != word_at(self.page, from + wanted - 8) {
            return;
        }
        let forward = equal_from(self.page, start, from);
        if forward < wanted {
            return;
        }
        let length = (forward + backward).min(LENGTH_MAX);
        if 4 * length > best.gain + cost {
            *best = Match { at: start - backward, from: from - backward, length, gain: 4 * length - cost };
        }
    }
}

/// A bit for each byte of a page.
#[derive(Default)]
struct Bits {
    words: Vec<u64>,
}

impl Bits {
    fn set(&mut self, page: &[u8], is: impl Fn(u8) -> bool) {
        self.words.clear();
        self.words.extend(page.chunks(64).map(|chunk| {
            let mut flags = [0u8; 64];
            for (flag, byte) in flags.iter_mut().zip(chunk) {
                *flag = u8::from(is(*byte));
            }
            let gather = |word: u64, (i, eight): (usize, &[u8; 8])| {
                // The product moves the lowest bits of the eight bytes side by side to the top.
                word | u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56 << (8 * i)
            };
            flags.as_chunks::<8>().0.iter().enumerate().fold(0, gather)
        }));
    }

    /// Set what is not set and lies between two that are.
    fn close_single_gaps(&mut self) {
        let mut before = 0;
        for index in 0..self.words.len() {
            let behind = self.words.get(index + 1).copied().unwrap_or(0);
            let word = &mut self.words[index];
            let both = (*word << 1 | before >> 63) & (*word >> 1 | behind << 63);
            before = std::mem::replace(word, *word | both);
        }
    }

    /// The first place from `from` on, before `until`, whose bit is `wanted`; `until` where there is none.
    #[inline(always)]
    fn next(&self, wanted: bool, from: usize, until: usize) -> usize {
        let flip = if wanted { 0 } else { u64::MAX };
        let (mut index, mut mask) = (from / 64, u64::MAX << (from % 64));
        while let Some(word) = self.words.get(index) {
            let found = (word ^ flip) & mask;
            if found != 0 {
                return (index * 64 + found.trailing_zeros() as usize).min(until);
            }
            (index, mask) = (index + 1, u64::MAX);
            if index * 64 >= until {
                break;
            }
        }
        until
    }
}

/// Eight bytes from `at` on; zeros where the page ends before.
#[inline(always)]
fn word_at(page: &[u8], at: usize) -> u64 {
    page.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// How many bytes from `one` and from the earlier `other` on are equal, at most some more than `LENGTH_MAX`.
#[inline(always)]
fn equal_from(page: &[u8], one: usize, other: usize) -> usize {
    let mut equal = 0;
    while one + equal + 8 <= page.len() && equal < LENGTH_MAX {
        let differing = word_at(page, one + equal) ^ word_at(page, other + equal);
        if differing != 0 {
            return equal + differing.trailing_zeros() as usize / 8;
        }
        equal += 8;
    }
    equal
}

/// How many bytes before `one` and the earlier `other` are equal, at most `room`.
#[inline(always)]
fn equal_before(page: &[u8], one: usize, other: usize, room: usize) -> usize {
    if other < 8 {
        return 0;
    }
    let mut equal = (word_at(page, one - 8) ^ word_at(page, other - 8)).leading_zeros() as usize / 8;
    if equal < 8 || room <= 8 {
        return equal.min(room);
    }
    while equal < room && other >= equal + 8 {
        let differing = word_at(page, one - equal - 8) ^ word_at(page, other - equal - 8);
        if differing != 0 {
            return (equal + differing.leading_zeros() as usize / 8).min(room);
        }
        equal += 8;
    }
    equal.min(room)
}

#[inline(always)]
fn hash_text(page: &[u8], start: usize, end: usize) -> u64 {
    let length = end - start;
    let head = word_at(page, start) << (64 - 8 * length.min(8));
    let tail = if length > 8 { word_at(page, end - 8) } else { 0 };
    let mut hash = (head ^ length as u64).wrapping_mul(MULTIPLIER).rotate_left(29) ^ tail;
    let mut at = start + 8;
    while at + 8 < end {
        hash = hash.wrapping_mul(MULTIPLIER).rotate_left(29) ^ word_at(page, at);
        at += 8;
    }
    hash.wrapping_mul(MULTIPLIER)
}

#[inline(always)]
fn top_bits(hash: u64, log: u32) -> usize {
    (hash.wrapping_mul(MULTIPLIER) >> (64 - log)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a decoder makes of sequences: literals from `page`, copies from what is there already.
    fn rebuilt(page: &[u8], sequences: &[Sequence]) -> Vec<u8> {
        let (mut out, mut block): (Vec<u8>, usize) = (Vec::new(), 0);
        for sequence in sequences {
            let literals = out.len()..out.len() + sequence.literals as usize;
            out.extend_from_slice(&page[literals]);
            assert_eq!(sequence.length == 0, sequence.offset == 0);
            let from = out.len() - sequence.offset as usize;
            assert!(sequence.length == 0 || sequence.length >= 3);
            assert!(sequence.offset as usize <= DISTANCE_MAX);
            (0..sequence.length as usize).for_each(|i| out.push(out[from + i]));
            assert!(out.len() - block <= BLOCK_BYTES_MAX);
            block = if sequence.length == 0 { out.len() } else { block };
        }
        assert_eq!(sequences.last().map(|last| last.length), Some(0));
        out
    }

    fn check(page: &[u8]) -> usize {
        let mut matcher = LogMatcher::default();
        assert!(rebuilt(page, matcher.find(page, 0)) == page);
        assert!(rebuilt(page, matcher.find(page, page.len() / 3)) == page);
        assert!(rebuilt(page, matcher.find(page, page.len())) == page);
        // Tables of another page must not matter.
        let mut used = LogMatcher::default();
        used.find(b"id=1 took 17 ms, id=2 took 18 ms, id=3 took 19 ms", 0);
        assert!(used.find(page, 0) == matcher.find(page, 0));
        matcher.find(page, 0).len()
    }

    #[test]
    fn lines_alike_become_few_sequences() {
        let lines: String = (0..2000)
            .map(|i| format!("level=info msg=\"request {i} done\" took={}ms status=200\n", i * 7919 % 1000))
            .collect();
        let sequences = check(lines.as_bytes());
        assert!(sequences < 3 * 2000, "{sequences}");
    }

    #[test]
    fn blocks_end_in_time() {
        check(&b"7".repeat(5 * BLOCK_BYTES_MAX + 3));
        check(&b"x".repeat(5 * BLOCK_BYTES_MAX + 3));
        check(&b"abc 1 ".repeat(BLOCK_BYTES_MAX));
        check(&b"no number at all, ".repeat(BLOCK_BYTES_MAX));
        let mut far = b"the same text here 1".to_vec();
        far.extend(std::iter::repeat_n(b'5', 1 << WINDOW_LOG));
        far.extend_from_slice(b"the same text here 123456789 and on");
        check(&far);
    }

    proptest! {
        #[test]
        fn a_byte_between_digits_counts_as_one(page in "[0-9a]{0,400}") {
            let is_digit: Vec<bool> = page.bytes().map(|byte| byte.is_ascii_digit()).collect();
            let mut bits = Bits::default();
            bits.set(page.as_bytes(), |byte| byte.is_ascii_digit());
            bits.close_single_gaps();
            for (i, digit) in is_digit.iter().enumerate() {
                let between = i > 0 && is_digit[i - 1] && is_digit.get(i + 1) == Some(&true);
                prop_assert_eq!(bits.next(true, i, i + 1) == i, *digit || between, "{}", i);
            }
        }

        #[test]
        fn any_bytes_are_rebuilt(page in proptest::collection::vec(any::<u8>(), 0..3000)) {
            check(&page);
        }

        #[test]
        fn anything_like_logs_is_rebuilt(
            parts in proptest::collection::vec(("[ab =]{0,9}", "[0-9]{0,4}", "(error|warning|information) ?"), 0..400))
        {
            let page: String = parts.into_iter().map(|(a, b, c)| a + &b + &c).collect();
            check(page.as_bytes());
        }
    }
}
