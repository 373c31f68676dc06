"""What several processes agree on through the database: leases, cancelling, digests."""
