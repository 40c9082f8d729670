"""Lodur: a log and metrics store that speaks Loki, Mimir and Prometheus.

Layers and the one direction of imports: docs/architecture.md.
"""
