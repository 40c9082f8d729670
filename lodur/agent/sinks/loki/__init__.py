"""Deliver to an endpoint of the Loki push API."""
