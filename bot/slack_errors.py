"""What Slack's client raises when Slack refuses, cannot be reached, or breaks off half-way."""

from http.client import HTTPException

from slack_sdk.errors import SlackClientError

SLACK_ERRORS = (SlackClientError, HTTPException, OSError)
"""`slack_sdk` lets the network's own errors through as they are (`URLError` is an OSError)."""
