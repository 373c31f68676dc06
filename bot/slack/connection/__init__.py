"""The connection to Slack: its credentials, its Web API, and Socket Mode."""
