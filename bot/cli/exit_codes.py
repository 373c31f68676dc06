"""The exit codes of every command; `tracebot run` returns those of the command it records."""

DONE = 0
FAILED = 1
"""Failed, or what was asked for was not found or is not well."""

USAGE = 2
"""The command line makes no sense."""

INTERRUPTED = 130
"""Ended by Ctrl-C: 128 and the number of SIGINT, as in a shell."""
