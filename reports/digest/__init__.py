"""Digests: their command, and what they tell of a period and of those before it."""
