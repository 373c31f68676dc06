"""The bot: Slack in, Slack out, agents, the command line and HTTP endpoints."""
