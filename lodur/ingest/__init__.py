"""Check a decoded push against limits, put it in the WAL and the head."""
