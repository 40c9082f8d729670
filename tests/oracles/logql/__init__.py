"""A twin of LogQL in plain Python: what Lodur must answer, over a list of entries. Start at `twin.LogqlTwin`.

Written from the rules of the language, one entry and one step at a time; only the tree of a query is Lodur's.
Generators of queries and entries that go well together: `generate_queries`, `generate_entries`.
"""
