"""The comparison with other recorders, tested without installing any of them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import benchmarks, main
from tests.benchmarks.measures import langfuse_sdk, logfire_sdk, mlflow, phoenix
from tests.benchmarks.peers import compare as comparison
from tests.benchmarks.peers.compare import Peer, compare
from tests.benchmarks.peers.day import SINCE, UNTIL, write_day
from tests.benchmarks.peers.processes import DRIVERS, driver, group
from tests.benchmarks.run import Run

PEERS = (phoenix.PEER, mlflow.PEER, langfuse_sdk.PEER, logfire_sdk.PEER)


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Make pip's package index unreachable and the user's cache empty."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Nobody listens.
        settings = {
            "PIP_INDEX_URL": f"http://127.0.0.1:{taken.getsockname()[1]}/simple",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_RETRIES": "0",
            "XDG_CACHE_HOME": str(tmp_path),
            "HOME": str(tmp_path),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_is_known_pinned_and_never_in_a_run_that_names_none(peer: Peer) -> None:
    assert getattr(benchmarks()[peer.name], "ON_DEMAND", False)
    assert all("==" in requirement for requirement in peer.requirements)
    assert peer.requirements[0].partition("==")[2] in peer.title
    assert (DRIVERS / peer.script).exists()


@pytest.mark.parametrize("path", sorted(DRIVERS.glob("*.py")), ids=lambda path: path.stem)
def test_a_driver_compiles(path: Path) -> None:
    compile(path.read_text(), path, "exec")


@pytest.mark.usefixtures("no_index")
def test_without_a_package_index_one_sentence_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["langfuse-sdk"]) == 1
    printed = capsys.readouterr()
    assert "bench: langfuse-sdk: langfuse==5.0.4 could not be installed: " in printed.err
    assert "See that the package index can be reached (PIP_INDEX_URL)" in printed.err
    assert printed.err.count("\n") == 1


def test_ours_compared_with_itself_finds_every_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "python_of", lambda requirements, note: Path(sys.executable))
    peer = Peer(name="us", title="Ours", requirements=("x==1",), script="ours.py", spans=5_000)
    figures = [*compare(Run(cache=tmp_path, rounds=1, share=0.05), peer)]
    named = [figure.name.removeprefix("us, ") for figure in figures]
    asked = ["list", "trace", "stats", "size", "start", "memory, idle", "memory, after"]
    assert named == ["caller", "caller, CPU", "until readable", *asked]
    assert all(figure.ours > 0 and figure.theirs for figure in figures)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_every_span_of_a_trace_keeps_to_its_trace_and_to_the_day(tmp_path: Path) -> None:
    for path, spans in write_day(tmp_path, spans=2_000, parts=2):
        traces = [json.loads(line) for line in path.read_text().splitlines()]
        assert sum(map(len, traces)) == spans
        assert all(len({span["trace_id"] for span in trace}) == 1 for trace in traces)
        assert all(SINCE <= span["started_at"] < UNTIL for trace in traces for span in trace)


def test_a_driver_that_fails_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with (
        pytest.raises(RuntimeError, match="No module named 'logfire'"),
        driver(Path(sys.executable), "of_logfire.py", folder, "http://127.0.0.1:9"),
    ):
        pass


def test_nothing_that_was_started_is_left_behind() -> None:
    command = ["sh", "-c", "sleep 60 & echo $!; wait"]
    with group(command, env=dict(os.environ), within=30, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
    assert process.returncode == -signal.SIGKILL
    until = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < until


def _runs(pid: int) -> bool:
    """Return whether a process runs. A zombie that nobody has collected yet does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
