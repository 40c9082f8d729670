//! zstd frames from sequences that were found by somebody else: the one place where zstd's C interface is called directly.
//!
//! The wrappers that the rest of the kernels use do not have `ZSTD_compressSequences` yet. The frames are plain zstd.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use zstd_sys::{ZSTD_CCtx, ZSTD_Sequence, ZSTD_cParameter};

use crate::error::{KernelError, Result};
use crate::segment::log_matches::{Sequence, WINDOW_LOG};

/// `ZSTD_c_blockDelimiters`: sequences of no length end blocks.
const BLOCK_DELIMITERS: ZSTD_cParameter = ZSTD_cParameter::ZSTD_c_experimentalParam11;
/// `ZSTD_c_validateSequences`: sequences that lead outside of the data are refused instead of followed.
const VALIDATE_SEQUENCES: ZSTD_cParameter = ZSTD_cParameter::ZSTD_c_experimentalParam12;
/// `ZSTD_c_repcodeResolution`: distances that come again take fewer bits.
const REPCODE_RESOLUTION: ZSTD_cParameter = ZSTD_cParameter::ZSTD_c_experimentalParam19;

/// zstd's least length of a copy.
const LENGTH_MIN: i32 = 3;

/// A compression context of its own.
pub struct SequenceEncoder {
    context: NonNull<ZSTD_CCtx>,
    sequences: Vec<ZSTD_Sequence>,
}

// SAFETY: a context belongs to no thread; it must only not be used by two at once, which `&mut self` sees to.
unsafe impl Send for SequenceEncoder {}

impl SequenceEncoder {
    /// `level` tells how thoroughly the sequences are encoded.
    pub fn new(level: i32) -> Result<Self> {
        // SAFETY: takes nothing; null, where there is no memory, is looked at.
        let context = NonNull::new(unsafe { zstd_sys::ZSTD_createCCtx() });
        let context = context.ok_or_else(|| KernelError::Input("zstd: no memory for a context".to_owned()))?;
        let encoder = SequenceEncoder { context, sequences: Vec::new() };
        let parameters = [
            (ZSTD_cParameter::ZSTD_c_compressionLevel, level),
            (ZSTD_cParameter::ZSTD_c_windowLog, WINDOW_LOG as i32),
            (ZSTD_cParameter::ZSTD_c_minMatch, LENGTH_MIN),
            (BLOCK_DELIMITERS, 1),
            (VALIDATE_SEQUENCES, 1),
            (REPCODE_RESOLUTION, 1),
        ];
        for (parameter, value) in parameters {
            // SAFETY: the context lives as long as `encoder`; zstd checks parameters and values.
            check(unsafe { zstd_sys::ZSTD_CCtx_setParameter(encoder.context.as_ptr(), parameter, value) })?;
        }
        Ok(encoder)
    }

    /// Append a frame to `out` from which `raw` is decompressed. The sequences must rebuild `raw`.
    pub fn encode(&mut self, raw: &[u8], sequences: &[Sequence], out: &mut Vec<u8>) -> Result<()> {
        let mut at = 0;
        for sequence in sequences {
            at += u64::from(sequence.literals);
            let is_end = sequence.offset == 0 && sequence.length == 0;
            let is_copy = sequence.offset >= 1
                && u64::from(sequence.offset) <= at.min(1 << WINDOW_LOG)
                && sequence.length >= LENGTH_MIN.unsigned_abs();
            if !is_end && !is_copy {
                return Err(KernelError::Input("zstd: a sequence copies what is not there yet".to_owned()));
            }
            at += u64::from(sequence.length);
        }
        if at != raw.len() as u64 {
            return Err(KernelError::Input("zstd: sequences of another length than what they stand for".to_owned()));
        }
        self.sequences.clear();
        self.sequences.extend(sequences.iter().map(|sequence| ZSTD_Sequence {
            offset: sequence.offset,
            litLength: sequence.literals,
            matchLength: sequence.length,
            rep: 0,
        }));
        out.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        let spare = out.spare_capacity_mut();
        // SAFETY: each pointer is that of a live slice and goes with its length; the context is valid and nobody else
        // uses it. That sequences stay inside the data was looked at above, and zstd does so too (VALIDATE_SEQUENCES).
        let written = check(unsafe {
            zstd_sys::ZSTD_compressSequences(
                self.context.as_ptr(),
                spare.as_mut_ptr().cast::<c_void>(),
                spare.len(),
                self.sequences.as_ptr(),
                self.sequences.len(),
                raw.as_ptr().cast::<c_void>(),
                raw.len(),
            )
        })?;
        // SAFETY: zstd wrote so many bytes behind those that were there, which is at most what was reserved.
        unsafe { out.set_len(out.len() + written) };
        Ok(())
    }
}

impl Drop for SequenceEncoder {
    fn drop(&mut self) {
        // SAFETY: the context came from ZSTD_createCCtx and is not used again.
        unsafe { zstd_sys::ZSTD_freeCCtx(self.context.as_ptr()) };
    }
}

fn check(code: usize) -> Result<usize> {
    // SAFETY: both take a number and give a number or a text that lives for ever.
    let name = unsafe {
        if zstd_sys::ZSTD_isError(code) == 0 {
            return Ok(code);
        }
        CStr::from_ptr(zstd_sys::ZSTD_getErrorName(code))
    };
    Err(KernelError::Input(format!("zstd: {}", name.to_string_lossy())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::log_matches::LogMatcher;

    fn check_round_trip(raw: &[u8]) {
        let (mut matcher, mut encoder) = (LogMatcher::default(), SequenceEncoder::new(6).unwrap());
        for lines_at in [0, raw.len() / 4, raw.len()] {
            let mut frame = b"before".to_vec();
            encoder.encode(raw, matcher.find(raw, lines_at), &mut frame).unwrap();
            assert!(zstd::bulk::decompress(&frame[6..], raw.len()).unwrap() == raw);
        }
    }

    proptest! {
        #[test]
        fn frames_hold_what_was_given(
            parts in proptest::collection::vec(("[a-c \"=]{0,12}", "[0-9]{0,6}"), 0..800), tail in any::<[u8; 9]>())
        {
            let mut raw: Vec<u8> = parts.into_iter().flat_map(|(text, digits)| (text + &digits).into_bytes()).collect();
            raw.extend_from_slice(&tail);
            check_round_trip(&raw);
        }
    }

    #[test]
    fn pages_of_many_blocks_are_kept() {
        check_round_trip(b"");
        check_round_trip(&b"0".repeat(700_000));
        check_round_trip(&b"no number at all, ".repeat(50_000));
        let lines: String = (0u64..60_000)
            .map(|i| {
                format!("{:032x} took {} ms in {}", u128::from(i) << 64 | u128::from(i * i), i * 7919 % 4001, i % 7)
            })
            .collect();
        check_round_trip(lines.as_bytes());
    }

    #[test]
    fn wrong_sequences_are_refused() {
        let mut encoder = SequenceEncoder::new(6).unwrap();
        let end = Sequence { literals: 0, length: 0, offset: 0 };
        for wrong in [
            vec![Sequence { literals: 9, length: 0, offset: 0 }],
            vec![Sequence { literals: 11, length: 0, offset: 0 }],
            vec![Sequence { literals: 2, length: 8, offset: 9 }, end],
            vec![Sequence { literals: 8, length: 2, offset: 1 }, end],
            vec![Sequence { literals: 5, length: 5, offset: 0 }, end],
        ] {
            assert!(encoder.encode(b"0123456789", &wrong, &mut Vec::new()).is_err());
        }
        let mut frame = Vec::new();
        encoder.encode(b"0123456789", &[Sequence { literals: 10, length: 0, offset: 0 }], &mut frame).unwrap();
        assert!(zstd::bulk::decompress(&frame, 10).unwrap() == b"0123456789");
    }
}
