"""A scripted workspace: people at work, a bot in a process of its own, and faults at random."""
