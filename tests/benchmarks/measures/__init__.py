"""One benchmark a file; see `benchmarks`."""
