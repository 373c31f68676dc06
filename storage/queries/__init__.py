"""Read what was recorded."""
