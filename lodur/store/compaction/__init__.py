"""Merge segments, enforce retention, delete what is live no more. Start at `compactor`; what to do is in `policy`."""
