"""The command line: options, progress and exit codes."""
