"""Make each agent's program send its own telemetry to our receiver.

Most programs understand a part of OpenTelemetry's own environment variables:
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True, slots=True)
class Telemetry:
    """Variables and arguments to add to those of a program."""

    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


def by_environment(collector: str, environment: Mapping[str, str]) -> Telemetry:
    """Return the telemetry of any program that contains an OpenTelemetry SDK."""
    return Telemetry(
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
    )


def claude(collector: str, environment: Mapping[str, str]) -> Telemetry:
    """Turn on Claude Code's telemetry.

    https://code.claude.com/docs/en/monitoring-usage
    """
    exporters = {f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("METRICS", "LOGS", "TRACES")}
    return Telemetry(
        environment={
            "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
            "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA": "1",
            **exporters,
            **by_environment(collector, environment).environment,
        }
    )


def codex(collector: str, environment: Mapping[str, str]) -> Telemetry:
    """Override codex's configuration: it reads no endpoint from the environment.

    It reads headers from there. Arguments can be read by every user of the machine, so that the key
    of the receiver is sent as a header.
    """
    address = urlsplit(collector)
    base, key = f"{address.scheme}://{address.netloc}", address.path.strip("/")
    exporters = {"exporter": "logs", "trace_exporter": "traces", "metrics_exporter": "metrics"}
    arguments: list[str] = []
    for name, path in exporters.items():
        endpoint = f'endpoint="{base}/v1/{path}",protocol="binary"'
        arguments += ["-c", f"otel.{name}={{otlp-http={{{endpoint}}}}}"]
    return Telemetry(
        environment={"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{key}"} if key else {},
        arguments=tuple(arguments),
    )


def gemini(collector: str, environment: Mapping[str, str]) -> Telemetry:
    return Telemetry(
        environment={
            "GEMINI_TELEMETRY_ENABLED": "true",
            "GEMINI_TELEMETRY_TARGET": "local",
            "GEMINI_TELEMETRY_OTLP_ENDPOINT": collector,
            "GEMINI_TELEMETRY_OTLP_PROTOCOL": "http",
            "GEMINI_TELEMETRY_TRACES_ENABLED": "true",
            "GEMINI_TELEMETRY_LOG_PROMPTS": "false",
        }
    )


def copilot(collector: str, environment: Mapping[str, str]) -> Telemetry:
    return Telemetry(
        environment={"COPILOT_OTEL_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    )


def opencode(collector: str, environment: Mapping[str, str]) -> Telemetry:
    """Add a setting to the configuration that the environment may already contain."""
    name = "OPENCODE_CONFIG_CONTENT"
    try:
        config = json.loads(environment.get(name) or "{}")
        config.setdefault("experimental", {})["openTelemetry"] = True
    except (ValueError, AttributeError, TypeError):
        return Telemetry()  # The configuration is invalid, which opencode will report itself.
    standard = by_environment(collector, environment).environment
    return Telemetry(environment={name: json.dumps(config), **standard})
