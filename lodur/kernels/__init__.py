"""The typed Python face of the Rust extension module."""
