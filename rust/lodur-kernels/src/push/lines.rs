//! Text to a push body: what a shipper of plain files sends.

use std::borrow::Cow;

use super::wire::{BYTES, WireTime, bytes_field_len, put_bytes, put_varint, tag};
use crate::error::{KernelError, Result};

/// Longest chunk of text for one body. Offsets inside a body stay far below 32 bits, and no server takes more.
pub const CHUNK_BYTES_MAX: usize = 1 << 30;

/// Entries of one stream as a `logproto.PushRequest`.
#[derive(Debug, PartialEq, Eq)]
pub struct EncodedPush {
    pub body: Vec<u8>,
    pub lines: usize,
    /// Bytes of the chunk that the body stands for; the caller keeps the rest for the next chunk.
    pub consumed: usize,
}

/// Makes a push of the lines of `chunk`: the n-th line has the time `ts_ns + n * ts_step_ns`.
///
/// Lines end at `\n`, which is cut; `\r` and empty lines are kept, and invalid UTF-8 becomes U+FFFD. Text after the
/// last `\n` is a line only if `last` says that nothing follows; else it is not consumed. No line gives an empty body.
/// `labels` is the stream's label set in text form and is written as it is. `compress` asks for the snappy block
/// format, which is what a server expects.
pub fn encode_lines(
    chunk: &[u8],
    labels: &str,
    ts_ns: i64,
    ts_step_ns: i64,
    last: bool,
    compress: bool,
) -> Result<EncodedPush> {
    if chunk.len() > CHUNK_BYTES_MAX {
        return Err(KernelError::Input(format!("chunk of {} bytes, at most {CHUNK_BYTES_MAX} fit", chunk.len())));
    }
    let consumed = if last { chunk.len() } else { memchr::memrchr(b'\n', chunk).map_or(0, |at| at + 1) };
    let text = &chunk[..consumed];
    let mut stream = Vec::with_capacity(text.len() + text.len() / 4 + labels.len() + 16);
    put_bytes(&mut stream, 1, labels.as_bytes());
    let lines = put_entries(&mut stream, text, ts_ns, ts_step_ns);
    if lines == 0 {
        return Ok(EncodedPush { body: Vec::new(), lines, consumed });
    }
    let mut body = Vec::with_capacity(stream.len() + 8);
    put_bytes(&mut body, 1, &stream);
    if compress {
        body = snappy_compress(&body)?;
    }
    Ok(EncodedPush { body, lines, consumed })
}

fn put_entries(out: &mut Vec<u8>, text: &[u8], ts_ns: i64, ts_step_ns: i64) -> usize {
    // Checking once is much cheaper than once a line, and nearly all text passes.
    let all_valid = simdutf8::basic::from_utf8(text).is_ok();
    let mut ts_ns = ts_ns;
    let mut lines = 0;
    let mut start = 0;
    while start < text.len() {
        let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |at| start + at);
        let raw = &text[start..end];
        let line = if all_valid { Cow::Borrowed(raw) } else { lossy(raw) };
        put_entry(out, ts_ns, &line);
        ts_ns = ts_ns.saturating_add(ts_step_ns);
        lines += 1;
        start = end + 1;
    }
    lines
}

fn lossy(raw: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(raw) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn put_entry(out: &mut Vec<u8>, ts_ns: i64, line: &[u8]) {
    let time = WireTime::of(ts_ns);
    out.push(tag(2, BYTES));
    put_varint(out, (bytes_field_len(time.len()) + bytes_field_len(line.len())) as u64);
    time.put(out, 1);
    put_bytes(out, 2, line);
}

/// The snappy block format (not framed), which bodies of pushes use.
pub fn snappy_compress(bytes: &[u8]) -> Result<Vec<u8>> {
    snap::raw::Encoder::new()
        .compress_vec(bytes)
        .map_err(|error| KernelError::Input(format!("snappy cannot take {} bytes: {error}", bytes.len())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_keep_cr_and_empty_and_leave_the_unfinished_one() {
        let push = encode_lines(b"a\r\n\nb\nrest", "{a=\"b\"}", 1_000_000_001, 5, false, false).unwrap();
        assert_eq!((push.lines, push.consumed), (3, 6));
        let mut expected = vec![0x0a, 42, 0x0a, 7];
        expected.extend_from_slice(b"{a=\"b\"}");
        expected.extend_from_slice(&[0x12, 10, 0x0a, 4, 8, 1, 16, 1, 0x12, 2, b'a', b'\r']);
        expected.extend_from_slice(&[0x12, 8, 0x0a, 4, 8, 1, 16, 6, 0x12, 0]);
        expected.extend_from_slice(&[0x12, 9, 0x0a, 4, 8, 1, 16, 11, 0x12, 1, b'b']);
        assert_eq!(push.body, expected);
    }

    #[test]
    fn the_last_chunk_gives_all_lines_as_valid_text() {
        let push = encode_lines(b"x\xff\ny", "{}", 0, 1, true, false).unwrap();
        assert_eq!((push.lines, push.consumed), (2, 4));
        assert!(push.body.windows(4).any(|w| w == "x\u{fffd}".as_bytes()));
    }

    #[test]
    fn nothing_to_send_is_an_empty_body() {
        let push = encode_lines(b"unfinished", "{}", 0, 1, false, true).unwrap();
        assert_eq!(push, EncodedPush { body: Vec::new(), lines: 0, consumed: 0 });
    }

    #[test]
    fn compressed_is_snappy_of_plain() {
        let plain = encode_lines(b"one\ntwo\n", "{}", -1, 1, false, false).unwrap();
        let packed = encode_lines(b"one\ntwo\n", "{}", -1, 1, false, true).unwrap();
        assert_eq!(snap::raw::Decoder::new().decompress_vec(&packed.body).unwrap(), plain.body);
    }
}
