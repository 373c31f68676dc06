"""Call Slack's Web API, and expect that it refuses."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """Return the error that Slack answers to a call."""
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return str(caught.value.response["error"])
