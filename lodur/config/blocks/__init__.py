"""One module a block of the configuration file: its settings, and the options that they become."""
