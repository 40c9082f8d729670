//! Files of every released version are read as on their first day.

use super::*;

#[test]
fn version_1_is_read() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat/wal/v1");
    let (records, problems) = finish(Replay::of_directory(&dir).unwrap());
    assert_eq!(problems, []);
    let expected = std::fs::read_to_string(dir.join("expected.txt")).unwrap();
    let line = |r: &Record| {
        let payload: String = r.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = r.file.file_name().unwrap().to_str().unwrap();
        format!("{} {} {} {} {} {} {payload}\n", file, r.offset, r.seq, r.kind, r.accepted_at_ns, r.tenant)
    };
    assert_eq!(records.iter().map(line).collect::<String>(), expected);
    assert!(!records.is_empty());
}
