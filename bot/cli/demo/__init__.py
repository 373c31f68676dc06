"""The demo: a recorded week, a conversation with scripted agents, and commands.

Only the demo and the tests load this.
"""
