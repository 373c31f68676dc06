"""Record from a program: `Observability`, logging and process hooks."""
