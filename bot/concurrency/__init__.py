"""Queues and lanes of messages, deduplication, notices, and the limit of running turns."""
