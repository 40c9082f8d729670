"""Shapes of foreign protocols: which bytes mean what. Only this package knows foreign field names."""
