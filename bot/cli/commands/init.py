"""`tracebot init`: ask for what `tracebot serve` needs, check it at once, and write it down."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli.exit_codes import DONE, FAILED
from bot.cli.findings import WELL, WRONG
from bot.cli.init.agents import settle_agents
from bot.cli.init.dialogue import Dialogue, Stopped
from bot.cli.init.env_file import (
    may_be_committed,
    permissions_of,
    refuse_place,
    with_values,
    write_whole,
)
from bot.cli.init.new_app import create_app
from bot.cli.init.tokens import GivenToken, find_token
from bot.settings import load_settings
from reports.errors import UsageError

if TYPE_CHECKING:
    from bot.cli.init.slack import BotIdentity

ENV = Path(".env")
AGENTS = Path("agents.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Everything that is to be written, already checked, and the tokens that `.env` has so far.

    `agents_text` is None if the agents file is kept.
    """

    values: Mapping[str, str] = field(repr=False)
    stored: Mapping[str, str] = field(repr=False)
    agents: Path
    agents_text: str | None
    bot: "BotIdentity"


def init(args: Namespace) -> int:
    """Ask, check, and only then write. Raises `ConfigurationError` and `UsageError`."""
    reads_stdin = "-" in (args.bot_token_file, args.app_token_file)
    dialogue = Dialogue(attended=_is_terminal() and not reads_stdin)
    try:
        answers = _ask(args, dialogue)
    except (KeyboardInterrupt, EOFError, Stopped):
        sys.stderr.write("\ntracebot: stopped. Nothing was written.\n")
        return FAILED
    _write(answers, dialogue)
    well = _look_again(dialogue)
    _say_what_next(answers.bot, dialogue)
    if well and dialogue.attended and _may_start(dialogue):
        sys.stdout.flush()
        # A process of its own, as if it had been typed: `serve` protects it from its agents.
        os.execv(sys.executable, [sys.executable, sys.argv[0], "serve"])
    return DONE if well else FAILED


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask(args: Namespace, dialogue: Dialogue) -> Answers:
    refuse_place(ENV)
    anew = args.force and dialogue.attended
    bot_token = find_token("SLACK_BOT_TOKEN", "--bot-token-file", args.bot_token_file, anew=anew)
    app_token = find_token("SLACK_APP_TOKEN", "--app-token-file", args.app_token_file, anew=anew)
    if not dialogue.attended:
        _require(bot_token, app_token)
    # Removes the tokens from the environment, before any program is started.
    settings = load_settings(SLACK_BOT_TOKEN="", SLACK_APP_TOKEN="")
    agents = settings.agents or AGENTS
    refuse_place(agents)
    sys.stdout.write(
        "Connect tracebot to a Slack workspace. Nothing is written before all is checked.\n"
    )
    # The agents come first, so that nobody pastes tokens in vain if something is wrong with them.
    dialogue.step("Choose the agents that answer")
    text = settle_agents(agents, args.agent, dialogue, force=args.force)
    if not bot_token.value:
        create_app(dialogue)
    # Only now: nobody should wait for Slack's client before the first question.
    from bot.cli.init.slack import settle_app, settle_bot

    bot_value, bot = settle_bot(bot_token, dialogue, force=args.force)
    app_value = settle_app(app_token, dialogue, bot, bot_value, force=args.force)
    values = {"SLACK_BOT_TOKEN": bot_value, "SLACK_APP_TOKEN": app_value}
    if settings.agents is None:
        values["TRACEBOT_AGENTS"] = str(agents)
    stored = {each.name: each.stored for each in (bot_token, app_token)}
    return Answers(values=values, stored=stored, agents=agents, agents_text=text, bot=bot)


def _require(*tokens: GivenToken) -> None:
    missing = [f"{each.name} or {each.option}" for each in tokens if not each.value]
    if missing:
        raise UsageError(
            f"There is no terminal to ask in, so give {', and '.join(missing)}; see tracebot help "
            "init."
        )


def _write(answers: Answers, dialogue: Dialogue) -> None:
    dialogue.step("Write it down")
    if answers.agents_text is not None:
        permissions = permissions_of(answers.agents)
        write_whole(answers.agents, answers.agents_text, permissions=permissions)
        dialogue.well(f"{answers.agents} is written.")
    old = ENV.read_text(encoding="utf-8") if ENV.exists() else ""
    write_whole(ENV, with_values(old, answers.values))
    told = ", ".join(
        f"{name} {_change(answers.stored.get(name), value)}"
        for name, value in answers.values.items()
    )
    dialogue.well(f"{ENV} is written, and only you can read it: {told}.")
    if may_be_committed(ENV):
        dialogue.warn(f"This is a Git repository that does not ignore {ENV}: add it to .gitignore.")


def _change(old: str | None, new: str) -> str:
    return "kept" if old == new else "replaced" if old else "added"


def _look_again(dialogue: Dialogue) -> bool:
    """Run the checks of `tracebot doctor` on the new files. Return True if nothing is wrong."""
    # Only now: it imports most of the bot, and nobody should wait a second for the first question.
    from bot.cli.commands.doctor import examine

    findings = [each for each in examine(None) if each.mark != WELL]
    for each in findings:
        advice = f" → {each.advice}" if each.advice else ""
        dialogue.tell(f"{each.what}: {each.found}{advice}", mark=each.mark)
    if not findings:
        dialogue.well("tracebot doctor finds no problem.")
    return all(each.mark != WRONG for each in findings)


def _say_what_next(bot: "BotIdentity", dialogue: Dialogue) -> None:
    dialogue.step("Mention it")
    dialogue.tell("Start the bot with tracebot serve. Then, in Slack, type:")
    typed = {
        f"/invite @{bot.user}": "in a channel",
        f"@{bot.user} hello": "it marks this with 👀, and answers in a thread",
        "/trace": "shows what it did, step by step",
    }
    width = max(map(len, typed))
    for text, effect in typed.items():
        dialogue.tell(f"{text:<{width}}   {effect}", mark=" ")


def _may_start(dialogue: Dialogue) -> bool:
    try:
        return dialogue.confirm("Start it now?")
    except (KeyboardInterrupt, EOFError):
        sys.stdout.write("\n")
        return False
