"""Mutated queries to the query endpoints, in this process: answers and refusals, but no failure, panic or hang.

`python -m tests.fuzz_queries --cases 1000000` is the long run; `tests/property/logql/test_fuzz_queries.py` a short one.
Start at `fuzzing.fuzz`.
"""
