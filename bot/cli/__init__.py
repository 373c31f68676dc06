"""The command line, `tracebot`."""
