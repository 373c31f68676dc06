"""Coordinate processes through the database: leases, lanes, notices, heartbeats, settings."""
