"""Start, supervise and end the processes of agents' programs."""
