"""Try the promises of docs/security.md one by one; see `scripts/attack --help`."""
