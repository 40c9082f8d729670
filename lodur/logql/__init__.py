"""LogQL text to a checked syntax tree; imports lodur.model alone.

Start at `parser` (text to tree), `tree` and `stages` (the nodes); planning and running queries is left to lodur.query.
"""
