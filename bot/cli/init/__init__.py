"""The steps of `tracebot init`: each asks for one thing, checks it, and writes nothing."""
