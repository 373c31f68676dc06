"""Keep the bot's own secrets out of what it posts, whatever an agent found and says.

The tokens, the signing secret, the keys of models and the passwords that the bot itself holds are
removed from each text on its way to Slack: as they are, and in the ways in which programs print
them (in a URL, in JSON, in HTML, in base64 or hexadecimal, reversed, in capitals). An agent that is
asked to disguise a secret further gets it past this filter; what keeps it from the secret is its
confinement. Redaction is told of them, too, so that none of them is recorded or logged.
"""

import json
import logging
import os
import re
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from html import escape
from typing import Any
from urllib.parse import quote, urlsplit

from bot.agents.config.roster import Roster
from bot.agents.models.provider import HttpProvider
from bot.agents.programs.process.environment import matches
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Agent, Provider
from bot.settings import Settings
from storage.database.postgres_url import passwords
from storage.model.redaction import redact_values
from storage.model.redaction.names import is_secret_name
from storage.model.redaction.words import EMPTY

SHORTEST = 6
"""Characters. A shorter value is a word that others use, too."""

PRODUCTS = frozenset(
    [
        "tracebot",
        "postgres",
        "postgresql",
        "ollama",
        "lmstudio",
        "lm-studio",
        "llamacpp",
        "llama.cpp",
        "localai",
    ]
)
"""Names of programs, which are chosen as passwords and keys if these do not matter."""

HELD_BACK = 4
"""Characters of a secret that begin to be held back at the end of a text that still grows.

With fewer, text that waits for its next word would lack the last letter now and then.
"""

UNSEEN = re.compile(
    # Soft hyphens, joiners, marks of direction: nobody sees them within a word. Those behind other
    # characters stay, such as the joiners of emoji.
    "(?<=[!-~])[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0e\ufeff]+"
)
WRAPPED = re.compile(r"(?<=[A-Za-z0-9+/]{40})\r?\n(?=[A-Za-z0-9+/]{4})")
"""A line break within base64, which programs print in lines of 64 or 76 characters."""

REMOVED = "(removed: a secret of this bot)"

EVERYDAY = "is an everyday word, so texts that have it are not redacted"
CHANGE = "if it has to stay secret, change it to one that is not"

IDENTIFIERS = ("action_id", "event_type")
"""Names of what Slack gives back as it was sent, and by which the bot knows its own messages."""

logger = logging.getLogger("tracebot.secrets")


class OwnSecrets:
    """The secrets of the bot and of its agents. It may be used from several threads at once."""

    def __init__(self, settings: Settings, roster: Roster, *, collector: str | None = None) -> None:
        """Take `collector`, the address to which agents send their telemetry, which has a key."""
        self._settings = settings
        self._key = urlsplit(collector or "").path.strip("/")
        self._roster = roster
        self._words: frozenset[str] = frozenset()
        self._known = self._read()

    @property
    def _forms(self) -> Mapping[str, str]:
        """Each text that tells a secret, the longest first, and the name of the secret."""
        agents, forms = self._known
        # The agents file may have been read again, with other keys. Two threads that notice it at
        # once compute the same.
        if agents is not self._roster.agents:
            self._known = self._read()
            forms = self._known[1]
        return forms

    def _read(self) -> tuple[object, Mapping[str, str]]:
        agents = self._roster.agents
        secrets = _secrets(self._settings, agents)
        secrets["the key of the telemetry receiver"] = self._key
        words = frozenset(everyday_secrets(self._settings, self._roster))
        for name in sorted(words - self._words):
            logger.warning("%s %s: %s.", name, EVERYDAY, CHANGE)
        self._words = words
        hidden = {name: value for name, value in secrets.items() if name not in words}
        redact_values(hidden.values())
        forms = {
            form: name
            for name, value in hidden.items()
            if len(value) >= SHORTEST
            for form in _forms_of(value)
            if len(form) >= SHORTEST
        }
        return agents, dict(sorted(forms.items(), key=lambda item: -len(item[0])))

    def found(self, text: str) -> tuple[str, ...]:
        """Return the names of the secrets that *text* tells."""
        text = _joined(text)
        return tuple(sorted({name for form, name in self._forms.items() if form in text}))

    def removed(self, text: str) -> str:
        """Return *text* without secrets."""
        joined = _joined(text)
        told = [form for form in self._forms if form in joined]
        if not told:
            return text
        for form in told:
            joined = joined.replace(form, REMOVED)
        return joined

    def settled(self, text: str) -> str:
        """Return the part of a text that still grows which may be shown, without secrets.

        The end is held back if it looks like the beginning of a secret. Each longer text begins
        with what was returned for a shorter one, but for at most `HELD_BACK - 1` characters.
        """
        text = UNSEEN.sub("", text)
        forms = [form for form in self._forms if form[0] in text]
        kept = min((len(text) - _begun(form, text) for form in forms), default=len(text))
        # A secret that is complete may overlap the beginning of another one.
        while crossing := [start for form in forms if (start := _across(form, text, kept)) < kept]:
            kept = min(crossing)
        return self.removed(text[:kept])

    def removed_from(self, value: Any) -> Any:
        """Return JSON-like data without secrets in its texts."""
        if isinstance(value, str):
            return self.removed(value)
        if isinstance(value, Mapping):
            return {
                key: item if key in IDENTIFIERS else self.removed_from(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.removed_from(item) for item in value]
        return value


def _joined(text: str) -> str:
    """Return *text* without what may separate the characters of a secret, but nobody sees."""
    return WRAPPED.sub("", UNSEEN.sub("", text))


def everyday_secrets(settings: Settings, roster: Roster) -> list[str]:
    """Return the names of secrets that are too plain to be kept out of texts."""
    secrets, names = _secrets(settings, roster.agents), _names(settings, roster.agents)
    return sorted(name for name, value in secrets.items() if is_everyday(value, names))


def is_everyday(value: str, names: Collection[str]) -> bool:
    """Return True for what texts say anyway: a placeholder, or the name of something here.

    A word of letters alone may as well be a password that somebody made up.
    """
    return value.lower() in EMPTY or value.lower() in PRODUCTS or value.lower() in names


def _names(settings: Settings, agents: Mapping[str, Agent]) -> frozenset[str]:
    """Return the names of agents, and of the user, host and database of the database's URL."""
    names = [*agents, *(each.name for agent in agents.values() for each in agent.providers)]
    with suppress(ValueError):  # Which opening the database tells.
        url = urlsplit(settings.database_url)
        names += filter(None, (url.username, url.hostname, url.path.strip("/")))
    return frozenset(name.lower() for name in names)


def _secrets(settings: Settings, agents: Mapping[str, Agent]) -> dict[str, str]:
    secrets = dict(_of_settings(settings))
    for agent in agents.values():
        for provider in agent.providers:
            secrets.update(_of_provider(provider))
    return secrets


def _of_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "SLACK_BOT_TOKEN", settings.slack_bot_token.get_secret_value()
    yield "SLACK_APP_TOKEN", settings.slack_app_token.get_secret_value()
    yield "SLACK_SIGNING_SECRET", settings.slack_signing_secret.get_secret_value()
    yield "TRACEBOT_OTLP_TOKEN", settings.otlp_token.get_secret_value()
    for number, password in enumerate(passwords(settings.database_url, os.environ)):
        yield f"TRACEBOT_DATABASE_URL{' again' * number}", password


def _of_provider(provider: Provider) -> Iterator[tuple[str, str]]:
    """Yield the key of a model, and the variables of a program that are named like secrets."""
    if isinstance(provider, HttpProvider):
        yield provider.endpoint.key_variable or "api_key_env", provider.endpoint.key or ""
    elif isinstance(provider, CommandProvider):
        passed = (*provider.program.pass_environment, *provider.pass_environment)
        given = {name: value for name, value in os.environ.items() if matches(name, passed)}
        for name, value in {**given, **provider.environment}.items():
            if is_secret_name(name):
                yield name, value


def _forms_of(value: str) -> set[str]:
    data = value.encode()
    in_url, in_json = quote(value, safe=""), json.dumps(value)[1:-1]
    each_in_url = "".join(f"%{byte:02x}" for byte in data)
    return {
        *(value, value[::-1], value.upper(), value.lower()),
        *(in_url, in_url.lower(), quote(value), each_in_url, each_in_url.upper()),
        *(in_json, in_json.replace("/", r"\/"), json.dumps(value, ensure_ascii=False)[1:-1]),
        *(escape(value), escape(value, quote=False)),
        *(data.hex(), data.hex().upper()),
        *_in_base64(data),
    }


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the characters that *data* has in base64, wherever in an encoded text it begins."""
    for before in range(3):
        encoded = b64encode(bytes(before) + data).decode().rstrip("=")
        # The first and the last character may hold bits of what is before and behind.
        first = (0, 2, 3)[before]
        last = len(encoded) - (1 if (before + len(data)) % 3 else 0)
        form = encoded[first:last]
        yield form
        yield form.replace("+", "-").replace("/", "_")


def _begun(form: str, text: str) -> int:
    """Return how many characters at the end of *text* may be the beginning of *form*."""
    lengths = range(min(len(form) - 1, len(text)), HELD_BACK - 1, -1)
    return next((length for length in lengths if text.endswith(form[:length])), 0)


def _across(form: str, text: str, place: int) -> int:
    """Return where a *form* begins that reaches across *place*, or *place* if there is none."""
    start = text.find(form, max(place - len(form) + 1, 0), place + len(form) - 1)
    return start if 0 <= start < place else place
