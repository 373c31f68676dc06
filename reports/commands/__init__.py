"""Parse commands and run them."""
