"""The modal in which somebody sets when a channel gets its digest."""

from collections.abc import Mapping
from typing import Any

from bot.trace_ui.modal import Form, form_input, form_option
from reports.digest.order import Order, check_time, check_time_zone
from reports.errors import UsageError
from reports.render.block_kit import Block, context
from reports.views.messages import WEEKDAYS
from storage.coordination.digest_subscriptions import Quiet, Subscription

DIGEST_FORM = "trace_digest_form"
"""The callback id of the modal."""

TIME, DAYS, ZONE, QUIET = "time", "days", "zone", "quiet"
"""The ids of the inputs, and of their blocks."""

SCHEDULES = {
    "daily": "Each day",
    "weekdays": "Monday to Friday",
    **{day: f"Each {name}" for day, name in WEEKDAYS.items()},
}


def digest_form(subscription: Subscription) -> Form:
    """Return the modal that shows a subscription and lets somebody change it."""
    schedules = [form_option(days, label) for days, label in SCHEDULES.items()]
    chosen = schedules[list(SCHEDULES).index(subscription.days)]
    nothing = form_option("silence", "Post nothing if nothing happened")
    quiet = {"initial_options": [nothing]} if subscription.quiet == "silence" else {}
    return Form(
        callback_id=DIGEST_FORM,
        title="Digest",
        channel=subscription.channel,
        blocks=(
            *_channel(subscription.channel),
            form_input(
                DAYS, "When", type="static_select", options=schedules, initial_option=chosen
            ),
            form_input(TIME, "At", type="timepicker", initial_time=subscription.local_time),
            form_input(
                ZONE,
                "Time zone, such as Europe/Berlin",
                type="plain_text_input",
                max_length=60,
                initial_value=subscription.time_zone,
            ),
            form_input(QUIET, "Quiet days", type="checkboxes", options=[nothing], **quiet)
            | {"optional": True},
        ),
    )


def _channel(channel: str) -> list[Block]:
    """Name the channel, because the Home tab changes digests of several; not a direct message."""
    return [context(f"In <#{channel}>")] if channel.startswith("C") else []


def submitted(view: Mapping[str, Any]) -> tuple[Order, dict[str, str]]:
    """Return what was submitted, and the errors by the id of their input."""
    inputs: Mapping[str, Any] = (view.get("state") or {}).get("values") or {}
    days = str((_value(inputs, DAYS).get("selected_option") or {}).get("value") or "")
    local_time = str(_value(inputs, TIME).get("selected_time") or "")
    zone = str(_value(inputs, ZONE).get("value") or "").strip()
    errors = {} if days in SCHEDULES else {DAYS: "Choose the days."}
    checked = {}
    for name, check, text in ((TIME, check_time, local_time), (ZONE, check_time_zone, zone)):
        try:
            checked[name] = check(text)
        except UsageError as error:
            errors[name] = str(error)
    is_quiet = bool(_value(inputs, QUIET).get("selected_options"))
    quiet: Quiet = "silence" if is_quiet else "line"
    return Order("at", local_time, checked.get(ZONE, zone), days, quiet), errors


def _value(inputs: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (inputs.get(name) or {}).get(name) or {}
    return found
