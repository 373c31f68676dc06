"""The commands that only a shell has."""
