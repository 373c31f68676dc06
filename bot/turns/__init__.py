"""From a message to its answer: accept, decide, ask, reply; and what happens to it later."""
