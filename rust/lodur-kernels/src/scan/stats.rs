//! What a scan looked at.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// Lines and their bytes whose text was looked at, or that were counted without it.
    pub lines: u64,
    pub bytes: u64,
    pub stored_bytes: u64,
    pub lines_kept: u64,
    pub head_lines: u64,
    pub head_bytes: u64,
    pub segments: u64,
    pub blocks: u64,
    pub blocks_skipped: u64,
    pub blocks_read: u64,
    pub streams: u64,
}

impl ScanStats {
    pub fn add(&mut self, other: &ScanStats) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.stored_bytes += other.stored_bytes;
        self.lines_kept += other.lines_kept;
        self.head_lines += other.head_lines;
        self.head_bytes += other.head_bytes;
        self.segments += other.segments;
        self.blocks += other.blocks;
        self.blocks_skipped += other.blocks_skipped;
        self.blocks_read += other.blocks_read;
        self.streams += other.streams;
    }
}
