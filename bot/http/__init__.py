"""HTTP endpoints: Slack's events in HTTP mode, and OpenTelemetry from agents and programs."""
