"""The write-ahead log in the object store. Start at `writing`; docs/formats/object-wal.md says what lies where."""
