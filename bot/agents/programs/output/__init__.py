"""Parse the output of agents' programs."""
