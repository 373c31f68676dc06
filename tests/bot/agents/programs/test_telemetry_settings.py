"""What tells each agent's program to send its telemetry to us, without running it."""

import json

import pytest

from bot.agents.programs.catalog import OPENCODE
from bot.agents.programs.telemetry import Telemetry

URL = "http://127.0.0.1:4318"
CONFIG = "OPENCODE_CONFIG_CONTENT"


def test_opencodes_telemetry_is_added_to_the_configuration_that_it_has() -> None:
    given = json.dumps({"model": "m", "experimental": {"chat": True}})
    environment = OPENCODE.telemetry(URL, {CONFIG: given}).environment
    assert json.loads(environment[CONFIG]) == {
        "model": "m",
        "experimental": {"chat": True, "openTelemetry": True},
    }
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == URL


@pytest.mark.parametrize("config", ["{", "[]", '{"experimental": 1}'])
def test_an_invalid_configuration_is_left_for_opencode_to_report(config: str) -> None:
    assert OPENCODE.telemetry(URL, {CONFIG: config}) == Telemetry()
