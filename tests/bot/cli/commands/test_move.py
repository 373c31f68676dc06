"""`tracebot move` says what it did and what is left to do, as text and as JSON."""

import json
import os
from contextlib import closing
from pathlib import Path

import pytest
from playhouse.migrations import Runner

from bot.cli.main import tracebot
from storage import Observability
from storage.database.connect import connect
from storage.database.migrations import HERE, HISTORY
from storage.recovery import moving
from storage.recovery.opening import open_database


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with a database that nobody records into any more."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEBOT_DATABASE_URL", "tracebot.db")
    with (
        closing(open_database("tracebot.db")) as database,
        Observability(database, platform="cli") as observability,
        observability.span("work"),
    ):
        pass
    return tmp_path


def test_a_process_that_records_is_named_with_what_to_do(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tracebot(["move", "--to", "new/moved.db"]) == 1
    shown = capsys.readouterr()
    assert "Copying 1 spans to" in shown.err
    assert "Checked: the rows, tokens and cost of each table and day are the same." in shown.out
    assert f"Not complete: process {os.getpid()} may still record into" in shown.out
    assert "2. Run the same command again." in shown.out

    assert tracebot(["health", "--database", "new/moved.db"]) == 1
    told = capsys.readouterr().out
    assert "Copy        ⚠ unfinished, tracebot move stopped just now" in told
    assert "run the same tracebot move again, before anything is recorded here" in told


def test_a_complete_copy_ends_with_what_to_change(
    recorded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "is_alive", lambda process: False)
    assert tracebot(["move", "--to", "new/moved.db"]) == 0
    told = f"In .env, set TRACEBOT_DATABASE_URL to {recorded / 'new/moved.db'}."
    assert told in capsys.readouterr().out

    assert tracebot(["move", "--to", "new/moved.db", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["complete"], answer["resumed"], answer["rows"]["spans"]) == (True, True, 1)
    assert answer["next"][0] == told
    assert tracebot(["health", "--database", "new/moved.db", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unfinished_move"] is None


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("move", 2, "Say where to: tracebot move --to postgresql://"),
        ("move --database none.db", 2, "Say where to: tracebot move --to postgresql://"),
        ("move --to tracebot.db", 1, "is the database itself"),
        ("move --to mysql://db/x", 1, "cannot open a mysql:// database"),
        ("move --to new.db --database none.db", 1, "none.db"),
        ("move --to postgresql://me:s3cret-pw@127.0.0.1:1/x", 1, "postgresql://me@127.0.0.1:1/x"),
    ],
)
def test_a_mistake_is_a_sentence_without_the_password(
    recorded: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, told: str
) -> None:
    assert tracebot(words.split()) == code
    shown = capsys.readouterr().err
    assert told in shown and "s3cret-pw" not in shown


@pytest.mark.parametrize("side", ["old.db", "new.db"])
def test_an_older_database_on_either_side_is_brought_up_to_date(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    monkeypatch.setattr(moving, "is_alive", lambda process: False)
    with closing(connect(recorded / side)) as database:
        Runner(database, str(HERE), table_name=HISTORY).up("0012_thumbs")
    source = side if side == "old.db" else "tracebot.db"
    assert tracebot(["move", "--database", source, "--to", "new.db"]) == 0


@pytest.mark.parametrize("side", ["tracebot.db", "new.db"])
def test_a_database_of_a_newer_tracebot_is_left_alone_on_either_side(
    recorded: Path, capsys: pytest.CaptureFixture[str], side: str
) -> None:
    with closing(open_database(recorded / side)) as database:
        database.execute_sql(
            f"INSERT INTO {HISTORY} (name, applied) VALUES ('9999_x', '2030-01-01')"
        )
    assert tracebot(["move", "--to", "new.db"]) == 1
    told = f"The database {recorded / side} was changed by a newer tracebot (it has 9999_x)"
    assert told in capsys.readouterr().err
