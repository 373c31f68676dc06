"""Turn Slack's messages into what an agent reads, the record stores and `/trace` shows.

Slack's own text stays in `IncomingMessage.text` and in the messages of a thread: mentions and the
names of agents are found there. Whatever a reader sees was made here, and was decoded once.
"""
