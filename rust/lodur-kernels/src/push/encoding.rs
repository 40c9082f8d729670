//! Content-Encoding: bodies as they came to the bytes of their format, bounded.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Read;

use super::limits::PushLimits;
use super::{ContentEncoding, PushFormat};
use crate::error::{KernelError, Result};

/// No snappy block grows by more: its best operation makes 64 bytes of 3.
const SNAPPY_RATIO_MAX: usize = 22;

/// Largest zstd window, which a few bytes of a frame's head can ask for: 32 MiB, four times that of the usual levels.
const ZSTD_WINDOW_LOG_MAX: u32 = 25;

/// Bytes that a thread keeps for its next body; larger ones are given back.
const SCRATCH_BYTES_MAX: usize = 8 << 20;

thread_local! {
    /// Memory for decompressed bodies: asking the system for it anew would cost as much as decompressing.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `read` with the bytes of the format itself: JSON text, or a protobuf message.
pub(super) fn with_open_body<T>(
    body: &[u8],
    format: PushFormat,
    encoding: ContentEncoding,
    limits: &PushLimits,
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<T> {
    let bytes_max = limits.decompressed_bytes_max();
    let decoded = decoded(body, encoding, bytes_max)?;
    match format {
        PushFormat::LokiProtobuf => {
            let mut scratch = SCRATCH.take();
            let result = unsnappy(&decoded, bytes_max, &mut scratch).and_then(read);
            if scratch.capacity() <= SCRATCH_BYTES_MAX {
                SCRATCH.set(scratch);
            }
            result
        }
        PushFormat::LokiJson | PushFormat::LegacyJson | PushFormat::OtlpProtobuf | PushFormat::OtlpJson => {
            read(&decoded)
        }
    }
}

fn decoded(body: &[u8], encoding: ContentEncoding, bytes_max: usize) -> Result<Cow<'_, [u8]>> {
    match encoding {
        // Snappy belongs to the protobuf format, with the header or without; on JSON the header means nothing.
        ContentEncoding::Identity | ContentEncoding::Snappy => within(body, bytes_max),
        ContentEncoding::Gzip => gunzip(body, bytes_max).map(Cow::Owned),
        ContentEncoding::Deflate => {
            let decoder = flate2::bufread::DeflateDecoder::new(body);
            read_bounded(decoder, body.len(), bytes_max, "deflate").map(Cow::Owned)
        }
        ContentEncoding::Zstd => unzstd(body, bytes_max).map(Cow::Owned),
        ContentEncoding::Lz4 => {
            let decoder = lz4_flex::frame::FrameDecoder::new(body);
            read_bounded(decoder, body.len(), bytes_max, "lz4").map(Cow::Owned)
        }
    }
}

fn within(body: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>> {
    if body.len() > bytes_max { Err(too_large(body.len(), bytes_max)) } else { Ok(Cow::Borrowed(body)) }
}

fn gunzip(body: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    if body.is_empty() {
        return Err(invalid("EOF"));
    }
    if body.len() >= 2 && body[..2] != [0x1f, 0x8b] {
        return Err(invalid("gzip: invalid header"));
    }
    read_bounded(flate2::bufread::MultiGzDecoder::new(body), body.len(), bytes_max, "gzip")
}

fn unzstd(body: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let unreadable = |error| invalid(&format!("zstd: {error}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(unreadable)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(unreadable)?;
    read_bounded(decoder, body.len(), bytes_max, "zstd")
}

fn read_bounded(decoder: impl Read, packed_bytes: usize, bytes_max: usize, name: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(packed_bytes.saturating_mul(4).min(bytes_max));
    match decoder.take(bytes_max as u64 + 1).read_to_end(&mut out) {
        Ok(read) if read > bytes_max => Err(too_large(read, bytes_max)),
        Ok(_) => Ok(out),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(invalid("unexpected EOF")),
        Err(error) => Err(invalid(&format!("{name}: {error}"))),
    }
}

fn unsnappy<'s>(packed: &[u8], bytes_max: usize, scratch: &'s mut Vec<u8>) -> Result<&'s [u8]> {
    let corrupt = || invalid("snappy: corrupt input");
    if packed.is_empty() {
        return Err(corrupt());
    }
    // The length that the block claims is believed only as far as its bytes could reach.
    let claimed = snap::raw::decompress_len(packed).map_err(|_| corrupt())?;
    if claimed / SNAPPY_RATIO_MAX > packed.len() {
        return Err(corrupt());
    }
    if claimed > bytes_max {
        return Err(too_large(claimed, bytes_max));
    }
    if scratch.len() < claimed {
        scratch.resize(claimed, 0);
    }
    let written = snap::raw::Decoder::new().decompress(packed, scratch).map_err(|_| corrupt())?;
    Ok(&scratch[..written])
}

fn invalid(text: &str) -> KernelError {
    KernelError::InvalidRequest(text.to_owned())
}

fn too_large(bytes: usize, bytes_max: usize) -> KernelError {
    KernelError::LimitExceeded {
        limit: "max_recv_msg_size",
        message: format!("request body too large: {bytes} bytes decompressed or more, limit: {bytes_max} bytes"),
    }
}
