"""Turn a batch of spans into rows, summaries and rollups, each span once."""
