"""The command line: one file a sub-command; arguments, printing, exit codes."""
