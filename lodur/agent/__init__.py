"""Collect, shape and deliver: sources, stages, sinks, positions."""
