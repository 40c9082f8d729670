"""The page docs/reference/compatibility.md: what of Loki works, what differs, what is ignored, and the tests behind it.

The rows come from the program's own registries: its routes, the schema of its configuration, the words of its grammar.
Only notes are kept by hand, in `notes`. `python -m tests.compatibility` writes the page; tests/test_compatibility.py
holds it against the registries. Start at `page.sections`.
"""
