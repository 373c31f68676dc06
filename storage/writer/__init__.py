"""Store what was recorded in the background, in batches, with a spool as a fallback."""
