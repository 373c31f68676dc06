"""The database file: connections, transactions, locks, tables and migrations."""
