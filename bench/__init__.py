"""Measure Lodur: ingest, bytes kept and queries, beside what the machine itself can do. Start at `bench.__main__`."""
