"""Random LogQL over random entries: the engine, over every way to hold them, answers what the twin answers.

`python -m tests.differential --cases 50000` is the long run; `tests/property/logql/test_differential.py` a short one.
Start at `cases.run_cases`.
"""
