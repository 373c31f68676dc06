"""The one reader of the environment, and of `.env`: every variable, its type and its default."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import ConfigurationError
from reports.units import parse_retention
from storage.upkeep.retention import Retention

Capture = Literal["none", "preview", "full"]
PREVIEW_LENGTH = 200
OTLP_TOKEN = "TRACEBOT_OTLP_TOKEN"


class SettingsError(ConfigurationError):
    """A variable is missing or makes no sense; the message names it and says what to do."""


def _token(prefix: str, where: str) -> Callable[[SecretStr], SecretStr]:
    def check(value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(prefix):
            raise ValueError(f"must begin with {prefix}: copy it from {where}")
        return value

    return check


BotToken = Annotated[
    SecretStr, AfterValidator(_token("xoxb-", "the app's page, OAuth & Permissions"))
]
AppToken = Annotated[
    SecretStr, AfterValidator(_token("xapp-", "the app's page, Basic Information"))
]


def _retention(words: str) -> str:
    parse_retention(words)
    return words


RetentionWords = Annotated[str, AfterValidator(_retention)]
NamedFile = Annotated[Path | None, BeforeValidator(lambda words: words or None)]
"""A path; an empty word in `.env` is none."""


OtlpPort = Annotated[int, Field(ge=0, le=65535)] | Literal["off"]
"""0 is any port that is free."""


class Settings(BaseSettings):
    """What stands in the environment or in `.env`; see `.env.example`."""

    model_config = SettingsConfigDict(
        env_file=".env", env_prefix="TRACEBOT_", extra="ignore", populate_by_name=True
    )

    slack_bot_token: BotToken = Field(SecretStr(""), validation_alias="SLACK_BOT_TOKEN")
    slack_app_token: AppToken = Field(SecretStr(""), validation_alias="SLACK_APP_TOKEN")
    slack_signing_secret: SecretStr = Field(SecretStr(""), validation_alias="SLACK_SIGNING_SECRET")
    slack_api_url: str = Field("https://slack.com/api/", validation_alias="SLACK_API_URL")
    port: int = Field(3000, ge=0, le=65535, validation_alias="PORT")

    database_url: str = ""
    busy_timeout_ms: int = Field(5_000, ge=0, le=600_000)
    agents: NamedFile = None
    capture: Capture = "preview"
    retention: RetentionWords = "90d"
    workers: int = Field(8, ge=1, le=256)
    grace: float = Field(20, ge=0, le=3_600)
    mention_only: bool = False
    max_file_mb: float = Field(10, gt=0)
    otlp_port: OtlpPort = 0
    otlp_token: SecretStr = SecretStr("")

    @property
    def kept(self) -> Retention:
        return parse_retention(self.retention)

    def captured(self, text: str) -> str | None:
        """What of a message's text is kept."""
        if self.capture == "none":
            return None
        if self.capture == "full" or len(text) <= PREVIEW_LENGTH:
            return text
        return f"{text[:PREVIEW_LENGTH]}…"


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; the tokens are taken out of it, so that no child inherits them.

    Raises `SettingsError`.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", OTLP_TOKEN):
        if name in os.environ:
            _wipe(name)
    return settings


def _wipe(name: str) -> None:
    """Out of the environment, and out of the memory of it that `/proc/PID/environ` shows."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    if value := libc.getenv(name.encode()):
        ctypes.memset(value, 0, len(os.environb[name.encode()]))
    del os.environ[name]


def require(settings: Settings, *, http: bool) -> None:
    """Raise `SettingsError` where what this way of serving needs is missing."""
    needed = {"SLACK_BOT_TOKEN": settings.slack_bot_token}
    if http:
        needed["SLACK_SIGNING_SECRET"] = settings.slack_signing_secret
    else:
        needed["SLACK_APP_TOKEN"] = settings.slack_app_token
    missing = [name for name, value in needed.items() if not value.get_secret_value()]
    if missing:
        names, verb = " and ".join(missing), "is" if len(missing) == 1 else "are"
        raise SettingsError(
            f"{names} {verb} not set: copy from the app's page at https://api.slack.com/apps into "
            "the environment or .env (README.md shows the five steps)."
        )


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    field = str(first["loc"][0])
    info = Settings.model_fields.get(field)
    alias = info.validation_alias if info else None
    name = alias if isinstance(alias, str) else field
    if not name.isupper():
        name = f"TRACEBOT_{name.upper()}"
    return f"{name} {first['msg'].removeprefix('Value error, ')} (see .env.example)."
