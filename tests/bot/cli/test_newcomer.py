"""A newcomer's mistakes and first looks, and what is shown for each.

The transcript is `newcomer.txt` beside this file. `UPDATE=1 pytest` on this file writes it anew:
read its diff as a newcomer would.
"""

import os
import re
import shlex
from pathlib import Path

import pytest

from bot.cli.main import tracebot
from storage import Observability

TRANSCRIPT = Path(__file__).with_name("newcomer.txt")

MISTAKES = """\
tracebot list
tracebot status
tracebot frobnicate
tracebot help shw
tracebot --verson
tracebot ls --csv
tracebot ls --nope
tracebot ls --databse tracebot.db
tracebot ls --database tracebto.db
tracebot ls --database nowhere/tracebot.db
tracebot ls --database agents.toml
tracebot ls --database .
tracebot ls -n many
tracebot ls --limit 0
tracebot ls --since soon
tracebot ls status:eror
tracebot ls agnt:claude
tracebot ls agent: claude
tracebot ls cost:5
tracebot stats --by agnt
tracebot stats agent:claude --by model
tracebot show
tracebot show hello
tracebot show ffffffff
tracebot show ffffffff --json
tracebot ls --nope --json
tracebot ls --json --tsv
tracebot stats --watch
tracebot cancel
tracebot cancel ffffffff
tracebot run
tracebot run --nope -- ls
tracebot collect --port 99999
tracebot query
tracebot agents --json=yes
tracebot import openai agents.yaml
tracebot import crewx missing.yaml
tracebot move 'postgresql://bot@db.example/traces?sslmode=require&connect_timeout=5'
tracebot move postgresql:/bot:s3cret-pw@db.example/traces --to
tracebot move new.db
tracebot health new.db
tracebot clean 30d
tracebot rehearse new.toml
tracebot clean
tracebot clean --older-than tomorrow
tracebot backup nowhere/copy.db
tracebot restore missing.db
tracebot digest here at 09:00
tracebot alerts add eror_rate>20%
tracebot budget add lots
tracebot sql "select 1"
tracebot LS
tracebot -v
tracebot ls -l
tracebot ls since:tomorrow
tracebot ls --since 2026-20-11
tracebot ls --user
tracebot ls -f
tracebot stats --last 7d
tracebot stats --zone Berlin
tracebot stats agent
tracebot logs --level warn
tracebot show latest
tracebot logs ffffffff
tracebot thread general
tracebot query ""
tracebot query hi --agent claude
tracebot query -m execute hi
tracebot agents claude
tracebot alerts add error_rate
tracebot alerts delete 3
tracebot alerts remove beef
tracebot budget 20/day
tracebot budget add 20/day agent claude
tracebot budget remove beef
tracebot errors resolve
tracebot digest --html nowhere/digest.html
tracebot backup tracebot.db
tracebot restore agents.toml
tracebot cancel all
tracebot completion powershell
tracebot rehearse
tracebot forget ann
tracebot help --json
tracebot --json ls
tracebot --database tracebot.db ls
tracebot -n 5 ls
tracebot ls --database postgresql://ann:hunter2secret@127.0.0.1:1/traces
tracebot ls --json --database postgresql://ann:hunter2secret@127.0.0.1:1/traces
tracebot ls --database postgresql:ann@host/traces
tracebot ls --database mysql://ann:hunter2secret@host/traces
tracebot stats postgresql://ann:hunter2secret@127.0.0.1:1/traces
tracebot move
tracebot move postgresql://ann:hunter2secret@127.0.0.1:1/traces
tracebot move postgresql://ann:secret@127.0.0.1:1/traces
tracebot move --to postgresql://ann:hunter2secret@127.0.0.1:1/traces
tracebot move --to tracebot.db
tracebot move --to agents.toml
tracebot move --to .
tracebot move --to copy.db --database missing.db
tracebot restore copy.db --database postgresql://ann:hunter2secret@127.0.0.1:1/traces
tracebot budget add 20/hour
tracebot budget add 20/day hard:10
tracebot alerts test
tracebot alerts add "error_rate>200%" in:C0123456789
tracebot stats --since 7
tracebot ls --limit=-3
tracebot ls feedback:good
tracebot search "*"
tracebot errors mute xyz
tracebot show https://example.com
tracebot digest tomorrow
tracebot clean --down-to lots
tracebot completion
tracebot demo --prot 4400
tracebot health --database missing.db
tracebot help run extra
tracebot import
""".splitlines()

FIRST_LOOKS = """\
tracebot ls
tracebot ls --all
tracebot ls agent:claude
tracebot ls --user Ann
tracebot search deploy
tracebot thread
tracebot stats
tracebot errors
tracebot cost
tracebot slow
tracebot logs
tracebot metrics
tracebot metrics queue.depth
tracebot ps
tracebot alerts
tracebot budget
tracebot digest
""".splitlines()


def shown(line: str, place: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """Return what a terminal shows of a command line, and its exit code."""
    code = tracebot(shlex.split(line)[1:])
    out, err = capfd.readouterr()
    text = (out + err).replace(f"{place}/", "/home/ann/").replace(str(place), "/home/ann")
    assert "Traceback" not in text
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return f"$ {line}\n{text.rstrip()}\n[{code}]\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with an empty database and an agents file."""
    monkeypatch.chdir(tmp_path)
    for name in ("TRACEBOT_DATABASE_URL", "TRACEBOT_AGENTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRACEBOT_DATABASE_URL", "tracebot.db")
    monkeypatch.setenv("TRACEBOT_AGENTS", "agents.toml")
    monkeypatch.setenv("COLUMNS", "100")
    Path("agents.toml").write_text('[agents.claude]\nprovider = "echo"\n')
    with Observability.open(tmp_path / "tracebot.db", platform="cli"):
        pass
    return tmp_path


def test_each_mistake_is_one_sentence_with_the_next_step(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistakes = [shown(line, place, capfd) for line in MISTAKES]
    looks = [shown(line, place, capfd) for line in FIRST_LOOKS]
    monkeypatch.setenv("TRACEBOT_DATABASE_URL", "other.db")
    Path("tracebot.db").unlink()
    without = [shown(line, place, capfd) for line in ("tracebot ls", "tracebot stats --json")]
    told = "\n".join(
        [
            *("— mistakes —\n", *mistakes),
            *("— an empty database —\n", *looks),
            *("— no database —\n", *without),
        ]
    )
    if os.environ.get("UPDATE"):
        TRANSCRIPT.write_text(told)
    assert told == TRANSCRIPT.read_text()
    assert "hunter2secret" not in re.sub(r"^(\$| ) .*", "", told, flags=re.MULTILINE)
    for each in mistakes:
        assert re.search(r"\[[12]\]\n$", each) or "tracebot show\n" in each, each
        if "--json" in each:
            continue
        said = [line for line in each.splitlines()[1:-1] if not line.startswith("  ")]
        assert len(said) == 1, each
    for each in looks:
        assert each.endswith("[0]\n") or "thread" in each, each
