//! Compression of pages with reused contexts.

use std::io::{Read, Write};
use std::ops::RangeInclusive;

use parquet::basic::Compression;

use crate::error::{KernelError, Result};
use crate::segment::log_matches::LogMatcher;
use crate::segment::sequences::SequenceEncoder;

/// What pages are compressed with; Loki's `chunk_encoding` names map to these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd { level: i32 },
}

/// A page never decompresses to more: bounds allocation for damaged headers. A block's lines are at most
/// `BLOCK_LINE_BYTES` plus one line that may be as long as a push allows.
pub const PAGE_BYTES_MAX: usize = 1 << 30;

impl Codec {
    pub fn parquet(self) -> Compression {
        match self {
            Codec::None => Compression::UNCOMPRESSED,
            Codec::Gzip => Compression::GZIP(Default::default()),
            Codec::Snappy => Compression::SNAPPY,
            Codec::Lz4 => Compression::LZ4_RAW,
            Codec::Zstd { .. } => Compression::ZSTD(Default::default()),
        }
    }
}

/// zstd levels that the search for sequences of `log_matches` takes the place of, on pages of lines.
const LOG_LEVELS: RangeInclusive<i32> = 5..=9;

/// Where more of a page than this stays literal, it is no log as `log_matches` knows them: of logs a quarter does, and
/// less than 0.45 of those of few words and many numbers.
const LITERALS_MAX: f64 = 0.45;

enum Zstd {
    Library(zstd::bulk::Compressor<'static>),
    Logs(Box<LogCompressor>),
}

struct LogCompressor {
    matcher: LogMatcher,
    encoder: SequenceEncoder,
    library: zstd::bulk::Compressor<'static>,
}

impl LogCompressor {
    fn new(level: i32) -> Result<Self> {
        let library = zstd_compressor(level).map_err(|e| KernelError::io("zstd", e))?;
        Ok(LogCompressor { matcher: LogMatcher::default(), encoder: SequenceEncoder::new(level)?, library })
    }

    fn compress(&mut self, raw: &[u8], lines_at: usize, packed: &mut Vec<u8>) -> Result<()> {
        let sequences = self.matcher.find(raw, lines_at);
        self.encoder.encode(raw, sequences, packed)?;
        let literals: u64 = sequences.iter().map(|sequence| u64::from(sequence.literals)).sum();
        if literals as f64 > LITERALS_MAX * raw.len() as f64 {
            let other = self.library.compress(raw).map_err(|e| KernelError::io("zstd", e))?;
            if other.len() < packed.len() {
                *packed = other;
            }
        }
        Ok(())
    }
}

pub struct Compressor {
    codec: Codec,
    zstd: Option<Zstd>,
    /// Of the last compression; kept, because memory that is asked for anew costs as much as it takes to fill it.
    packed: Vec<u8>,
}

impl Compressor {
    pub fn new(codec: Codec) -> Result<Self> {
        let zstd = match codec {
            Codec::Zstd { level } => {
                Some(Zstd::Library(zstd_compressor(level).map_err(|e| KernelError::io("zstd", e))?))
            }
            _ => None,
        };
        Ok(Compressor { codec, zstd, packed: Vec::new() })
    }

    /// For pages of lines, which the thorough levels of zstd know how to search.
    pub fn of_lines(codec: Codec) -> Result<Self> {
        match codec {
            Codec::Zstd { level } if LOG_LEVELS.contains(&level) => {
                let zstd = Some(Zstd::Logs(Box::new(LogCompressor::new(level)?)));
                Ok(Compressor { codec, zstd, packed: Vec::new() })
            }
            _ => Self::new(codec),
        }
    }

    pub fn compress<'a>(&'a mut self, raw: &'a [u8]) -> Result<&'a [u8]> {
        self.compress_lines(raw, 0)
    }

    /// Of a page whose lines begin at `lines_at`, behind their lengths.
    pub fn compress_lines<'a>(&'a mut self, raw: &'a [u8], lines_at: usize) -> Result<&'a [u8]> {
        self.packed.clear();
        match self.codec {
            Codec::None => return Ok(raw),
            Codec::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut self.packed, flate2::Compression::default());
                let packed = encoder.write_all(raw).and_then(|()| encoder.finish().map(|_| ()));
                packed.map_err(|e| KernelError::io("gzip", e))?;
            }
            Codec::Snappy => {
                self.packed = snap::raw::Encoder::new()
                    .compress_vec(raw)
                    .map_err(|e| KernelError::Input(format!("snappy: {e}")))?;
            }
            Codec::Lz4 => self.packed = lz4_flex::block::compress(raw),
            Codec::Zstd { .. } => match &mut self.zstd {
                Some(Zstd::Logs(logs)) => logs.compress(raw, lines_at, &mut self.packed)?,
                Some(Zstd::Library(zstd)) => {
                    self.packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
                    zstd.compress_to_buffer(raw, &mut self.packed).map_err(|e| KernelError::io("zstd", e))?;
                }
                None => return Err(KernelError::Input("zstd compressor is missing".into())),
            },
        }
        Ok(&self.packed)
    }
}

/// The fast levels look through a table of 2^14 places; logs gain 2 % with 2^16 at little cost, and from a window over a
/// whole block. The thorough ones gain 5 % from longer least matches, as of numbers and words rather than of their ends,
/// and save a third of the time with tables that stay in the second-level cache (docs/decisions/0002-segment-encoding.md,
/// 0004-compaction.md).
fn zstd_compressor(level: i32) -> std::io::Result<zstd::bulk::Compressor<'static>> {
    use zstd::zstd_safe::CParameter::{ChainLog, HashLog, MinMatch, WindowLog};

    let mut compressor = zstd::bulk::Compressor::new(level)?;
    let parameters: &[_] = match level {
        1 => &[HashLog(16), WindowLog(22)],
        5..=9 => &[HashLog(18), ChainLog(18), MinMatch(6), WindowLog(22)],
        _ => &[],
    };
    for parameter in parameters {
        compressor.set_parameter(*parameter)?;
    }
    Ok(compressor)
}

#[derive(Default)]
pub struct Decompressor {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    /// Decompress into `out` (cleared first); exactly `raw_len` bytes must come out.
    pub fn decompress(&mut self, codec: Codec, bytes: &[u8], raw_len: usize, out: &mut Vec<u8>) -> Result<()> {
        if raw_len > PAGE_BYTES_MAX {
            return Err(damaged("page is larger than any page we write"));
        }
        out.clear();
        match codec {
            Codec::None => out.extend_from_slice(bytes),
            Codec::Gzip => {
                flate2::read::GzDecoder::new(bytes)
                    .take(raw_len as u64 + 1)
                    .read_to_end(out)
                    .map_err(|e| damaged(&format!("gzip: {e}")))?;
            }
            Codec::Snappy => {
                out.resize(raw_len, 0);
                let written =
                    snap::raw::Decoder::new().decompress(bytes, out).map_err(|e| damaged(&format!("snappy: {e}")))?;
                out.truncate(written);
            }
            Codec::Lz4 => {
                out.resize(raw_len, 0);
                let written =
                    lz4_flex::block::decompress_into(bytes, out).map_err(|e| damaged(&format!("lz4: {e}")))?;
                out.truncate(written);
            }
            Codec::Zstd { .. } => {
                if self.zstd.is_none() {
                    self.zstd = Some(zstd::bulk::Decompressor::new().map_err(|e| KernelError::io("zstd", e))?);
                }
                out.reserve(raw_len);
                if let Some(zstd) = &mut self.zstd {
                    zstd.decompress_to_buffer(bytes, out).map_err(|e| damaged(&format!("zstd: {e}")))?;
                }
            }
        }
        if out.len() != raw_len {
            return Err(damaged("page has another size than its header says"));
        }
        Ok(())
    }
}

fn damaged(what: &str) -> KernelError {
    KernelError::corrupt("", 0, what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Numbers that look like chance, the same ones every time.
    fn numbers() -> impl Iterator<Item = u64> {
        std::iter::successors(Some(88_172_645_463_325_252u64), |x| {
            let x = x ^ x << 13;
            let x = x ^ x >> 7;
            Some(x ^ x << 17)
        })
    }

    fn packed_bytes(mut compressor: Compressor, raw: &[u8]) -> usize {
        let packed = compressor.compress(raw).unwrap().to_vec();
        assert!(zstd::bulk::decompress(&packed, raw.len()).unwrap() == raw);
        packed.len()
    }

    /// Ten thousand lines of a kind.
    fn page(mut line: impl FnMut(&mut dyn FnMut() -> u64) -> String) -> String {
        let mut chance = numbers();
        let mut next = move || chance.next().unwrap() >> 20;
        (0..10_000).map(|_| line(&mut next)).collect()
    }

    /// Whatever lines are like, the search for what logs repeat is not much worse than zstd's own.
    #[test]
    fn lines_of_all_kinds_are_compressed() {
        let words = ["cache", "miss", "for", "user", "retry", "failed", "while", "reading", "größer", "日本", "done"];
        let word = |number: u64| words[(number % words.len() as u64) as usize];
        let pages = [
            ("words", page(|next| (0..8).map(|_| word(next()).to_owned() + " ").collect())),
            ("constant", page(|_| "connection reset by peer".to_owned())),
            ("csv", page(|next| format!("{},{},7,0,", next() % 90, next() % 1000))),
            ("hex", page(|next| format!("id={:016x} ok", next()))),
            (
                "access",
                page(|next| format!("10.0.3.{} GET /v1/{} 200 {}ms", next() % 256, word(next()), next() % 2000)),
            ),
        ];
        for (name, raw) in pages {
            let codec = Codec::Zstd { level: 6 };
            let own = packed_bytes(Compressor::of_lines(codec).unwrap(), raw.as_bytes());
            let library = packed_bytes(Compressor::new(codec).unwrap(), raw.as_bytes());
            assert!(own as f64 <= 1.3 * library as f64 + 100.0, "{name}: {own} bytes, {library} by the library");
        }
    }
}
