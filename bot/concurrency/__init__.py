"""Queues, deduplication and the limit under which turns run."""
