"""Checkpoints, retention, and the journal of what upkeep did."""
