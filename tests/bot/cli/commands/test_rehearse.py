"""`tracebot rehearse` on what the real bot recorded."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.cli.main import tracebot
from bot.sandbox import Sandbox, User
from storage import Observability
from storage.model.erasure import Erasure
from storage.upkeep.erasure import erase
from tests.support.conversations import StartBot, finished

NOW = """
default = "echo"
[agents.echo]
provider = "echo"
[agents.parrot]
provider = "echo"
"""
NEW = """
[agents.echo]
provider = "echo"
[access]
guests = true
"""

Rehearse = Callable[..., tuple[int, str]]


@pytest.fixture
def rehearse(week: None, capsys: pytest.CaptureFixture[str]) -> Rehearse:
    """Run the command, and return its exit code and what it prints."""

    def run(*arguments: str) -> tuple[int, str]:
        code = tracebot(["rehearse", *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def week(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    db_path: Path,
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
) -> None:
    """Record a member's question and follow-up, a guest's question, and a remark.

    The agents file in use is now.toml, beside new.toml to try.
    """
    start_bot(NOW)
    gus = sandbox.add_user("gus", guest=True)
    mixed = sandbox.add_channel("mixed", [alice, gus])
    first = sandbox.post(alice, mixed, f"{sandbox.mention} @parrot hello")
    finished(observability, mixed, first.ts)
    sandbox.wait_for_reaction(mixed, first.ts, "white_check_mark")
    sandbox.post(alice, mixed, "and now?", thread_ts=first.ts)
    finished(observability, mixed, first.ts, count=2)
    for user, text in ((gus, f"{sandbox.mention} may I?"), (alice, "just a remark")):
        message = sandbox.post(user, mixed, text)
        finished(observability, mixed, message.ts)
    observability.flush()
    (tmp_path / "now.toml").write_text(NOW)
    (tmp_path / "new.toml").write_text(NEW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEBOT_AGENTS", str(tmp_path / "now.toml"))
    monkeypatch.setenv("TRACEBOT_DATABASE_URL", str(db_path))


def test_a_new_agents_file_is_compared_with_what_was_answered(
    rehearse: Rehearse, observability: Observability, alice: User
) -> None:
    assert rehearse("--agents", "now.toml") == (
        0,
        "0 of 4 messages would change (last 30 days).\n\n4  as before\n",
    )
    code, said = rehearse("--agents", "new.toml")
    assert code == 1
    assert said.startswith(
        "3 of 4 messages would change (last 30 days).\n\n"
        "2  answered by other agents\n1  answered from now on\n1  as before\n"
    )
    assert f"  {alice.id}: @parrot hello\n  parrot → echo\n" in said
    assert "may I?\n  not answered, because guests may not ask this agent → echo\n" in said
    assert "https://slack.com/archives/" in said

    found: dict[str, Any] = json.loads(rehearse("--agents", "new.toml", "--json")[1])
    assert (found["messages"], found["unchanged"]) == (4, 1)
    assert found["changed"] == {"silenced": 0, "answered": 1, "other_agents": 2}
    first, follow_up, _ = found["changes"]
    assert first["before"] == {"agents": ["parrot"], "reason": "mentioned"}
    assert follow_up["after"] == {"agents": ["echo"], "reason": "active_speaker"}

    erase(observability.database, Erasure(at=time.time_ns(), by="shell", user=alice.id))
    found = json.loads(rehearse("--agents", "new.toml", "--json")[1])
    assert (found["messages"], found["not_replayed"]["text"]) == (4, 2)


def test_settings_can_be_tried_and_mistakes_are_explained(rehearse: Rehearse) -> None:
    code, said = rehearse("--mention-only")
    assert code == 1
    assert "1  no longer answered" in said
    assert "parrot → not answered, because the bot answers only when it is mentioned" in said
    assert rehearse("--no-answer-edits")[0] == 0
    for arguments, problem in (
        ([], "name an agents file with --agents FILE"),
        (["--agents", "new.toml", "--since", "soon"], "'soon' is not a period"),
        (["--mention-only", "--since", "2999-01-01", "9:00"], "2999-01-01 09:00 is in the future"),
    ):
        code, said = rehearse(*arguments)
        assert code == 2
        assert problem in said
    code, said = rehearse("--agents", "none.toml")
    assert code == 1
    assert "none.toml cannot be read" in said
