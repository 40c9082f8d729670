"""Slow twins of fast code: the obvious Python, for properties to compare with. Never imported by the product."""
