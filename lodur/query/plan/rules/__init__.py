"""Rewrites of plans, one file each: a pure function from a plan to one that gives the same answer for less work."""
