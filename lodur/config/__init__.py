"""Files, flags and environment in, one frozen configuration made of the packages' own options out."""
