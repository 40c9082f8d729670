"""Execute a plan over the store: split, schedule, limit, merge, count."""
