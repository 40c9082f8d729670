"""Lodur's own metrics and log events."""
