"""WAL, head, segments, manifest and object stores. Never sees JSON bodies, HTTP or query text."""
