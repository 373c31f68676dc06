"""The agents file: read, checked and turned into agents."""
