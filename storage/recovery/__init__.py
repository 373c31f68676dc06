"""Open, check, replace, back up and restore the database."""
