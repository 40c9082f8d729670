"""LogQL text to tree to logical plan. Imports lodur.model alone."""
