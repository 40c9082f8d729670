"""Arithmetic over step-aligned matrices: what query languages do with series once samples have become numbers.

Knows no query language, no store and no wire format. Start at `matrix`; the operations stand in a module each:
`aggregate`, `rank`, `arithmetic`, `matching`, `set_operations`, `absent`, `relabel`.
"""
