"""Traces in Slack: `/trace`, its buttons, and the Home tab."""
