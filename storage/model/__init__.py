"""The values that are recorded, their attribute names, and redaction."""
