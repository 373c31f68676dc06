"""The app's permissions and features, as its manifest declares them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, unless PyYAML was built without it, takes a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of a manifest that the sandbox enforces.

    `commands` maps a slash command to True if Slack escapes its text; `shortcuts` maps a callback
    id to `message` or `global`. `labels` has the usage hint of each command, and the name under
    which each shortcut stands in the menu.
    """

    name: str
    scopes: frozenset[str]
    bot_events: frozenset[str]
    commands: Mapping[str, bool]
    shortcuts: Mapping[str, str]
    labels: Mapping[str, str]
    interactivity: bool
    socket_mode: bool
    home_tab: bool

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        content: dict[str, Any] = yaml.load(path.read_bytes(), Loader=LOADER)
        features = content.get("features", {})
        settings = content.get("settings", {})
        commands = features.get("slash_commands", [])
        shortcuts = features.get("shortcuts", [])
        return cls(
            name=content["display_information"]["name"],
            scopes=frozenset(content["oauth_config"]["scopes"]["bot"]),
            bot_events=frozenset(settings.get("event_subscriptions", {}).get("bot_events", [])),
            commands={each["command"]: each.get("should_escape", False) for each in commands},
            shortcuts={each["callback_id"]: each["type"] for each in shortcuts},
            labels={each["command"]: each.get("usage_hint", "") for each in commands}
            | {each["callback_id"]: each["name"] for each in shortcuts},
            interactivity=settings.get("interactivity", {}).get("is_enabled", False),
            socket_mode=settings.get("socket_mode_enabled", False),
            home_tab=features.get("app_home", {}).get("home_tab_enabled", False),
        )

    def without(self, *names: str) -> "Manifest":
        """Return the same manifest without these scopes or event subscriptions."""
        return replace(
            self, scopes=self.scopes - set(names), bot_events=self.bot_events - set(names)
        )
