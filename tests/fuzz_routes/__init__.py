"""Requests of every kind, right and wrong, to every route of a real server: none may be answered with a server error.

The routes are those that the application itself has, so that a new one is covered from its first day. Start at
`lodur_routes`, `RequestGenerator` and `Fuzzer`; `python -m tests.fuzz_routes --seconds 600` runs for long.
"""
