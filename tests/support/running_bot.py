"""Start the real bot in a sandbox."""

from typing import Any

from bot.agents.config.roster import Roster
from bot.app import build_bot
from bot.lifecycle import Bot, connect
from bot.sandbox import Sandbox
from bot.settings import Settings
from storage import Observability


def settings_for(sandbox: Sandbox, observability: Observability, **overrides: Any) -> Settings:
    """Return the settings of a bot in the sandbox, which listens on any free port."""
    return Settings(
        _env_file=None,
        SLACK_BOT_TOKEN=sandbox.bot_token,
        SLACK_APP_TOKEN=sandbox.app_token,
        SLACK_SIGNING_SECRET=sandbox.signing_secret,
        SLACK_API_URL=sandbox.api_url,
        database_url=str(observability.database.path),
        **{"PORT": 0, **overrides},
    )


def start_in(
    sandbox: Sandbox,
    observability: Observability,
    roster: Roster,
    *,
    collector: str | None = None,
    **overrides: Any,
) -> Bot:
    """Build a bot and connect it in Socket Mode; *overrides* are settings.

    *collector* is the base URL to which its agents may send their own telemetry.
    """
    settings = settings_for(sandbox, observability, **overrides)
    bot = build_bot(settings, roster=roster, observability=observability, collector=collector)
    connect(bot, settings)
    return bot
