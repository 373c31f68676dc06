"""Try the promises of docs/explanation/security.md one by one; see `scripts/attack --help`."""
