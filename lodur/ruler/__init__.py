"""Rules: evaluate groups of LogQL expressions from time to time, record their results, and alert.

Start at `ruler` (the loop over all groups), `evaluation` (one turn of one group) and `written` (rules as people write
them).
"""
