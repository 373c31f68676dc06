"""Who answers: the Agent protocol, its implementations, the roster of an agents file, one call."""
