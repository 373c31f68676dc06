"""Present what was recorded: commands, views, renderers and digests."""
