"""Delete requests: where they are kept, and which sources they touch. Values are in `requests`; start at `deletions`."""
