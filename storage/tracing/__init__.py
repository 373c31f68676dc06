"""Implement the tracing API of OpenTelemetry."""
