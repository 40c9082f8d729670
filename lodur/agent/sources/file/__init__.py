"""Lines out of files: globs, rotation, truncation, compressed files."""
