"""Play days of the demo's fortnight, once for all processes of a test run."""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from bot.cli.fortnight.plot import fortnight
from bot.cli.fortnight.stage import Stage
from bot.cli.fortnight.story import Story
from bot.sandbox import Sandbox
from storage import Observability
from tests.support.paths import MANIFEST

UNTIL = datetime(2026, 10, 16, 16, tzinfo=UTC)
"""A Friday, on which each story of the tests ends."""


@dataclass(frozen=True)
class Played:
    """A story that was played into a folder."""

    folder: Path
    days: int

    @property
    def database(self) -> Path:
        return self.folder / "tracebot.db"

    @cached_property
    def story(self) -> Story:
        return fortnight(UNTIL, days=self.days)

    @property
    def now(self) -> int:
        return round(UNTIL.timestamp()) * 1_000_000_000

    @cached_property
    def workspace(self) -> Mapping[str, Any]:
        """Return the workspace's team, the names of its ids, and what the bot said unasked."""
        kept: Mapping[str, Any] = json.loads((self.folder / "workspace.json").read_text())
        return kept


def play_once(folders: pytest.TempPathFactory, *, days: int) -> Played:
    """Play a story of so many *days*, unless another process of this test run has done so."""
    base = folders.getbasetemp()
    return play((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "story", days=days)


def play(folder: Path, *, days: int) -> Played:
    """Play a story of so many *days*, unless it has been played into this folder."""
    folder.mkdir(exist_ok=True)
    played = Played(folder, days)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "workspace.json").exists():
            _play(played)
    return played


def _play(played: Played) -> None:
    with (
        Sandbox.start(MANIFEST) as sandbox,
        Observability.open(played.database, platform="slack") as observability,
    ):
        stage = Stage(played.story, sandbox, observability, played.folder)
        for _ in stage.play():
            pass
        stage.stop()
        named = {each.id: name for name, each in (stage.people | stage.channels).items()}
        said = [
            {"channel": name, "text": message.text, "blocks": message.blocks}
            for name, channel in stage.channels.items()
            for message in sandbox.messages(channel)
            if message.user == sandbox.bot_user_id and message.thread_ts in (None, message.ts)
        ]
        workspace = {"team": sandbox.team_id, "bot": sandbox.bot_user_id}
        text = json.dumps({**workspace, "names": named, "said": said})
    new = played.folder / "workspace.json.new"
    new.write_text(text)
    os.replace(new, played.folder / "workspace.json")
