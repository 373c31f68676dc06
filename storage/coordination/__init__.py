"""Coordinate processes through the database: leases, cancelling, digests."""
