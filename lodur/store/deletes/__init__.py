"""Delete requests: where they are kept, and what they touch. Values are in `requests`; start at `deletions`."""
