"""Views: query results as text, with the raw values beside it."""
