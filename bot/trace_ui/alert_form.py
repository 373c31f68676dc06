"""The modal in which somebody adds an alert."""

from collections.abc import Mapping
from typing import Any

from bot.trace_ui.modal import Form, form_input, form_option
from reports.alerts.grammar import parse_condition
from reports.alerts.measures import MEASURES
from reports.errors import UsageError
from reports.formatting import shortened
from reports.render.block_kit import Block
from storage.model.text import storable

ALERT_FORM = "trace_alert_form"
"""The callback id of the modal."""

MEASURE, LIMIT, WARN, WHOSE, OVER, WHERE = "measure", "limit", "warn", "whose", "over", "where"
"""The ids of the inputs, and of their blocks."""

WINDOWS = {
    "15m": "15 minutes",
    "1h": "1 hour",
    "6h": "6 hours",
    "24h": "24 hours",
    "7d": "7 days",
    "30d": "30 days",
}
LABEL = 75
"""Characters of an option."""


def alert_form(channel: str) -> Form:
    """Return the modal that adds an alert in a channel, or in one to choose if it is empty."""
    measures = [
        form_option(name, shortened(f"{measure.title}: {measure.means}", LABEL))
        for name, measure in MEASURES.items()
    ]
    windows = [form_option(window, label) for window, label in WINDOWS.items()]
    return Form(
        callback_id=ALERT_FORM,
        title="Add an alert",
        channel=channel,
        blocks=(
            form_input(MEASURE, "What", type="static_select", options=measures),
            _text(LIMIT, "Limit, such as 20%, 30s or 5; <10 means below 10"),
            _text(WARN, "Warn earlier, such as 10%"),
            _text(WHOSE, "Only of agent:claude, channel:#ops or user:@ann"),
            form_input(OVER, "In the last", type="static_select", options=windows) | OPTIONAL,
            *([] if channel else [_where()]),
        ),
    )


def submitted(view: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the words of the rule that was submitted, and the errors by the id of their input."""
    inputs: Mapping[str, Any] = (view.get("state") or {}).get("values") or {}
    name = _value(inputs, MEASURE)
    if name not in MEASURES:
        return [], {MEASURE: "Choose what to watch."}
    limit, warn, over = (_value(inputs, each) for each in (LIMIT, WARN, OVER))
    sign = "" if not limit or limit[0] in "<>" else ">"
    words = {
        LIMIT: f"{name}{sign}{limit}",
        WHOSE: _value(inputs, WHOSE),
        WARN: f"warn:{warn}" if warn else "",
        OVER: f"over:{over}" if over and MEASURES[name].window_ns else "",
        WHERE: f"in:{where}" if (where := _value(inputs, WHERE)) else "",
    }
    rule = [word for word in words.values() if word]
    try:
        parse_condition(rule)
    except UsageError as error:
        wrong = [place for place, word in words.items() if word and word == error.word]
        return rule, {next(iter(wrong), LIMIT): str(error)[:ERROR]}
    return rule, {}


ERROR = 150
"""Characters of an error below an input."""

OPTIONAL: Block = {"optional": True}


def _value(inputs: Mapping[str, Any], name: str) -> str:
    found: Mapping[str, Any] = (inputs.get(name) or {}).get(name) or {}
    option = found.get("selected_option") or {}
    chosen = found.get("selected_conversation") or option.get("value")
    return storable(str(found.get("value") or chosen or "").strip())


def _text(name: str, label: str) -> Block:
    return form_input(name, label, type="plain_text_input", max_length=80) | OPTIONAL


def _where() -> Block:
    channels = {"include": ["public", "private"]}
    return form_input(WHERE, "Tell it in", type="conversations_select", filter=channels)
