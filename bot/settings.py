"""Settings: every environment variable, its type and its default.

No other module reads the environment or `.env`, which only `tracebot init` writes. Loading this one
loads no database, so that commands which need only a setting start fast.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bot.errors import ConfigurationError
from reports.units import parse_duration, parse_retention
from storage.model.redaction import redacted_start
from storage.model.retention import Folding, Retention

Capture = Literal["none", "preview", "full"]
PREVIEW_LENGTH = 200
PREFIX = "TRACEBOT_"
OTLP_TOKEN = "TRACEBOT_OTLP_TOKEN"

GIVEN_TO_AGENTS = frozenset(("TRACEBOT_AGENT", "TRACEBOT_CHANNEL", "TRACEBOT_THREAD_TS"))
"""Variables that the bot sets for agents which are programs; a bot started by one has them, too."""


class SettingsError(ConfigurationError):
    """A setting is missing or invalid. The message names the variable and says what to do."""


KINDS = {
    "xoxb-": "this is a bot's token, for SLACK_BOT_TOKEN",
    "xapp-": "this is an app's token, for SLACK_APP_TOKEN",
    "xoxp-": "this is a user's token, which the bot does not need",
    "xoxe": "this is a token that is rotated: switch token rotation off in the app's manifest",
}
"""Kinds of tokens, by how they begin: named if one stands in the wrong place."""


def _token(prefix: str, where: str) -> Callable[[SecretStr], SecretStr]:
    def check(value: SecretStr) -> SecretStr:
        given = value.get_secret_value()
        if not all("!" <= character <= "~" for character in given):
            raise ValueError(
                f"it contains a space or a character that no token has; copy it from {where}"
            )
        if given and not given.startswith(prefix):
            other = next(
                (f" ({text})" for start, text in KINDS.items() if given.startswith(start)), ""
            )
            raise ValueError(f"it must begin with {prefix}{other}; copy it from {where}")
        return value

    return check


def _retention(value: object) -> object:
    return parse_retention(value) if isinstance(value, str) else value


ALIASES = {"thumbsup": "+1", "thumbsdown": "-1"}
"""Emoji that have two names in Slack."""


def emoji_name(text: str) -> str:
    """Return the name of an emoji without colons and skin tone, and its first if it has two."""
    name = text.strip().strip(":").partition("::")[0]
    return ALIASES.get(name, name)


def _emoji(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = [emoji_name(name) for name in value.split(",") if name.strip()]
    if not all(re.fullmatch(r"[\w+'-]+", name) for name in names):
        raise ValueError("it must be names of emoji with commas between them, such as +1,heart")
    return frozenset(names)


def _statistics_age(value: object) -> object:
    age = parse_duration(value) if isinstance(value, str) else value
    if isinstance(age, int) and age < parse_duration("7d"):
        raise ValueError("it must be at least 7d, the period that stats shows")
    return age


Secret = Annotated[SecretStr, AfterValidator(_token("", "the app's page, Basic Information"))]
BotToken = Annotated[
    SecretStr, AfterValidator(_token("xoxb-", "the app's page, OAuth & Permissions"))
]
AppToken = Annotated[
    SecretStr, AfterValidator(_token("xapp-", "the app's page, Basic Information"))
]


# NoDecode: pydantic-settings would read a dataclass as JSON, and these are written as 90d,2GB.
RetentionLimits = Annotated[Retention, NoDecode, BeforeValidator(_retention)]
EmojiNames = Annotated[frozenset[str], NoDecode, BeforeValidator(_emoji)]
StatisticsAge = Annotated[int, BeforeValidator(_statistics_age)]
"""How long statistics are kept by hour or by day, in nanoseconds, written as 35d."""

OptionalPath = Annotated[Path | None, BeforeValidator(lambda value: value or None)]
"""A path, or None if the variable is set but empty, as in `.env.example`."""

OtlpPort = Annotated[int, Field(ge=0, le=65535)] | Literal["off"]
"""A port, 0 for any free one, or "off"."""


class Settings(BaseSettings):
    """Values from the environment or `.env`; `.env.example` says what each is for."""

    model_config = SettingsConfigDict(env_file=".env", env_prefix=PREFIX, extra="ignore")

    slack_bot_token: BotToken = Field(SecretStr(""), validation_alias="SLACK_BOT_TOKEN")
    slack_app_token: AppToken = Field(SecretStr(""), validation_alias="SLACK_APP_TOKEN")
    slack_signing_secret: Secret = Field(SecretStr(""), validation_alias="SLACK_SIGNING_SECRET")
    slack_api_url: str = Field("https://slack.com/api/", validation_alias="SLACK_API_URL")
    port: int = Field(3000, ge=0, le=65535, validation_alias="PORT")

    database_url: str = ""
    busy_timeout_ms: int = Field(5_000, ge=0, le=600_000)
    agents: OptionalPath = None
    capture: Capture = "preview"
    retention: RetentionLimits = parse_retention("90d")
    hourly_statistics: StatisticsAge = parse_duration("35d")
    daily_statistics: StatisticsAge = parse_duration("400d")
    workers: int = Field(8, ge=1, le=256)
    grace: float = Field(20, ge=0, le=3_600)
    mention_only: bool = False
    answer_edits: bool = False
    feedback_up: EmojiNames = frozenset(("+1", "heart", "tada"))
    feedback_down: EmojiNames = frozenset(("-1",))
    max_file_mb: float = Field(10, gt=0)
    max_files: int = Field(10, ge=0, le=100)
    history_characters: int = Field(100_000, ge=1_000)
    otlp_port: OtlpPort = 0
    otlp_token: SecretStr = SecretStr("")

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_quoted(cls, value: object) -> object:
        if isinstance(value, str) and value[:1] in ('"', "'"):
            raise ValueError("leave out the quotes, which docker run --env-file does not remove")
        return value

    @field_validator("slack_api_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^\s/]+(/.*)?", url):
            raise ValueError("it must be an address such as https://slack.com/api/")
        return url

    @field_validator("feedback_down")
    @classmethod
    def _is_not_up(cls, down: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        if both := down & info.data.get("feedback_up", frozenset()):
            raise ValueError(f"{min(both)} is in TRACEBOT_FEEDBACK_UP, too")
        return down

    @property
    def folding(self) -> Folding:
        return Folding(hours_ns=self.hourly_statistics, days_ns=self.daily_statistics)

    def captured(self, text: str) -> str | None:
        """Return the part of a message's text that may be stored, None if nothing may."""
        if self.capture == "none":
            return None
        if self.capture == "full" or len(text) <= PREVIEW_LENGTH:
            return text
        return f"{redacted_start(text, PREVIEW_LENGTH)}…"


class DefaultSettings(Settings):
    """The defaults, whatever the environment and `.env` say: for the bot of a demo."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load_settings(source: type[Settings] = Settings, **overrides: Any) -> Settings:
    """Read the environment and `.env`, and remove the tokens from the environment.

    A child process, such as an agent, then cannot inherit them. Raises `SettingsError`.
    """
    for name in _service_links(os.environ):
        del os.environ[name]
    try:
        settings = source(**overrides)
    except ValidationError as error:
        # The first of each variable: one that may be of several types has a mistake for each.
        mistakes = {each["loc"][0]: each for each in reversed(error.errors())}
        raise SettingsError(" ".join(map(_sentence, mistakes.values()))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(error) from None
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", OTLP_TOKEN):
        if name in os.environ:
            _wipe(name)
    return settings


def given_token(name: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return a token, valid or not, and its source: "the environment" or ".env".

    Both are empty without one. Call it before `load_settings`, which removes the tokens. Raises
    `SettingsError` if `.env` cannot be read.
    """
    if value := environ.get(name):
        return value, "the environment"
    value = _env_file().get(name)
    return (value, ".env") if value else ("", "")


def _env_file() -> Mapping[str, str | None]:
    try:
        return dotenv_values(".env")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(error) from None


def _unreadable(error: OSError | UnicodeDecodeError) -> SettingsError:
    if isinstance(error, PermissionError) and not os.access(".", os.X_OK):
        # As with sudo -u in the home of an administrator, which others may not enter.
        return SettingsError(
            f"This user may not enter the folder {os.getcwd()}, where .env is looked for: change "
            "to another folder."
        )
    problem = getattr(error, "strerror", None) or "it is not UTF-8"
    return SettingsError(
        f".env cannot be read ({problem}): save it as UTF-8 text that you may read."
    )


def _wipe(name: str) -> None:
    """Remove a variable from the environment and overwrite its value in memory.

    `del os.environ[name]` alone leaves the value in the block that `/proc/PID/environ` shows to
    every process of the same user.
    """
    import ctypes

    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    if value := libc.getenv(name.encode()):
        ctypes.memset(value, 0, len(os.environb[name.encode()]))
    del os.environ[name]


def _service_links(environ: Mapping[str, str]) -> set[str]:
    """Return the variables that Kubernetes sets for Services named tracebot or tracebot-….

    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables: for
    tracebot-otlp one of them is TRACEBOT_OTLP_PORT, with a value such as tcp://10.0.0.1:4318.
    """
    named = [re.fullmatch(r"(TRACEBOT(?:_\w+)?)_SERVICE_HOST", name) for name in environ]
    services = "|".join(found[1] for found in named if found)
    link = re.compile(rf"(?:{services})_(?:SERVICE_(?:HOST|PORT)|PORT_\d|PORT=\w+://)")
    return {name for name in environ if services and link.match(f"{name}={environ[name]}")}


def misspelt_names(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for each name, in `environ` or `.env`, that looks like one of ours.

    Call it before `load_settings`, which removes the tokens. Raises `SettingsError` if `.env`
    cannot be read.
    """
    given = {name.upper() for name in (*environ, *_env_file())} - _service_links(environ)
    known = {_name(field) for field in Settings.model_fields}
    sentences = []
    for name in sorted(given - known - GIVEN_TO_AGENTS):
        # One that is set, too, is not what somebody meant to write.
        meant = _meant(name, known - given)
        if meant or name.startswith(PREFIX):
            hint = f" Did you mean {meant}?" if meant else ""
            sentences.append(f"{name} is not a setting.{hint} See .env.example for all of them.")
    return sentences


def _meant(name: str, known: Iterable[str]) -> str:
    """Return the setting that a name was meant to be, "" if it may belong to another program."""
    if (bare := name.removeprefix(PREFIX)) in known:
        return bare
    if name.startswith(PREFIX):
        # The names have their beginning in common, which says nothing.
        ours = [each.removeprefix(PREFIX) for each in known if each.startswith(PREFIX)]
        found = get_close_matches(bare, ours, n=1)
        return f"{PREFIX}{found[0]}" if found else ""
    cutoff = 0.8 if name.startswith("SLACK_") else 0.9
    others = [each for each in known if each != "PORT"]  # It is like the names of many programs.
    return next(iter(get_close_matches(name, others, n=1, cutoff=cutoff)), "")


def require(settings: Settings, *, http: bool) -> None:
    """Raise `SettingsError` if a token is missing that Socket Mode, or HTTP mode, needs."""
    needed = {"SLACK_BOT_TOKEN": settings.slack_bot_token}
    if http:
        needed["SLACK_SIGNING_SECRET"] = settings.slack_signing_secret
    else:
        needed["SLACK_APP_TOKEN"] = settings.slack_app_token
    missing = [name for name, value in needed.items() if not value.get_secret_value()]
    if missing:
        names, verb = " and ".join(missing), "is" if len(missing) == 1 else "are"
        raise SettingsError(f"{names} {verb} not set. {HOW_TO_SET[http]}")


HOW_TO_SET = {
    False: (
        "Run tracebot init, which asks for the tokens and checks them, or set them in .env or the "
        "environment."
    ),
    True: (
        "Copy what is missing from the app's page at https://api.slack.com/apps into .env or the "
        "environment."
    ),
}
"""Advice about a missing token, in Socket Mode (False) and in HTTP mode."""


def _sentence(mistake: ErrorDetails) -> str:
    """Return a mistake with the variable's name, but never its value: it may be a token."""
    name = _name(str(mistake["loc"][0]))
    problem = mistake["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
    problem = problem.partition(", unable to parse")[0]
    more = "" if "copy it from" in problem else " See .env.example for what it takes."
    return f"{name} is not valid: {problem}.{more}"


def _name(field: str) -> str:
    """Return the environment variable of a field."""
    info = Settings.model_fields.get(field)
    alias = info.validation_alias if info else None
    name = alias if isinstance(alias, str) else field
    return name if name.isupper() else f"{PREFIX}{name.upper()}"
