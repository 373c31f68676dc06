"""Each benchmark runs with very little work; its result is not judged here."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import benchmarks, main
from tests.benchmarks.earlier import Earlier
from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import kind_of_machine
from tests.benchmarks.measures import cold, cold_ls
from tests.benchmarks.plain_install import ROOT, pinned, sources
from tests.benchmarks.run import Run, Unavailable
from tests.benchmarks.summary import LINES, benchmarks_of_lines, summary
from tests.benchmarks.table import as_json, as_markdown, as_text

BENCHMARKS = {
    name: module for name, module in benchmarks().items() if not getattr(module, "ON_DEMAND", False)
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_finds_its_figures(
    name: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for measure in (cold, cold_ls):  # An install of its own would need a package index.
        monkeypatch.setattr(measure, "plain_install", lambda run: Path(sys.executable).parent)
    run = Run(cache=cache, rounds=1, small=200, big=400, share=0.005)
    figures = list(BENCHMARKS[name].measure(run))
    assert figures
    assert all(figure.name.startswith(name) and figure.ours >= 0 for figure in figures)
    assert figures[0].name in as_text(figures)
    goals = (goal for line in LINES for goal in line.goals)
    main_figures = {goal for goal in goals if goal.partition(",")[0] == name}
    found = {figure.name.replace(f"{run.big:,} spans", "1,000,000 spans") for figure in figures}
    assert main_figures <= found


def test_a_name_that_is_none_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingets"]) == 2
    assert "did you mean ingest?" in capsys.readouterr().err


def test_help_says_what_each_benchmark_measures(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in BENCHMARKS)
    assert "scripts/bench caller ingest" in printed


def test_a_goal_is_met_only_when_every_limit_is_kept() -> None:
    figure = Figure(name="x", ours=6.0, theirs=5.0, unit="ms", ratio_at_most=1.5, at_most=5)
    assert (figure.ratio, figure.met, figure.goal) == (1.2, False, "≤ 1.5 ×, ≤ 5 ms")
    assert Figure(name="x", ours=2.0, theirs=1.0, unit="spans/s", ratio_at_least=1.0).met
    assert Figure(name="x", ours=2.0, unit="ms").met is None


def test_the_table_comes_for_people_for_scripts_and_for_the_documentation() -> None:
    figure = Figure(name="x", ours=6.0, theirs=5.0, unit="ms", peer="y", ratio_at_most=1.5)
    assert "6 ms" in as_text([figure])
    assert '"ratio": 1.2' in as_json([figure])
    assert "| x | 6 ms | 5 ms | 1.20 × | ≤ 1.5 × | met | y |" in as_markdown([figure])


def test_the_main_figures_stand_beside_those_of_an_earlier_commit() -> None:
    before = Figure(name="caller", ours=18.0, theirs=60.0, unit="µs")
    now = Figure(name="caller", ours=12.0, theirs=60.0, unit="µs", measured_on="4 × x, quiet")
    table = summary([before], [now], commit="abc1234")
    assert table.startswith("4 × x, quiet\n\n|  | before (abc1234) | now | goal |  |\n")
    assert table.endswith("\n| caller, × OpenTelemetry's SDK | 0.3 | 0.2 | ≤ 0.25 | met |")
    assert "| – | 0.2 |" in summary([], [now], commit="abc1234")
    assert set(benchmarks_of_lines()) < set(benchmarks())


def test_a_commit_is_measured_only_for_the_benchmarks_that_it_has(tmp_path: Path) -> None:
    earlier = Earlier("HEAD", cache=tmp_path, rounds=1)
    assert earlier.measure("teleport", note=lambda text: None) == []
    assert [*tmp_path.glob("tree-*/tests/benchmarks/measures/cold.py")]
    with pytest.raises(Unavailable, match="no-such-commit"):
        Earlier("no-such-commit", cache=tmp_path, rounds=1).measure("cold", note=lambda text: None)


def test_each_line_says_on_which_kind_of_machine_it_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.getloadavg", lambda: (9.0, 9.0, 9.0))
    busy = kind_of_machine()
    assert busy.startswith("4 × ")
    assert busy.endswith(", busy (load 9.0)")
    monkeypatch.setattr("os.getloadavg", lambda: (0.1, 9.0, 9.0))
    assert kind_of_machine().endswith(", quiet (load 0.1)")
    figure = Figure(name="x", ours=6.0, unit="ms", measured_on=busy)
    assert all(busy in table([figure]) for table in (as_text, as_markdown, as_json))


def test_a_plain_install_has_the_versions_of_the_lock() -> None:
    lock = "# made\na==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\nb-c==2.0.1+x\n"
    assert pinned(lock).splitlines() == ["a==1.0", "b-c==2.0.1+x"]


def test_a_plain_install_is_made_of_the_packages_and_not_of_their_bytecode() -> None:
    names = {str(path.relative_to(ROOT)) for path in sources(ROOT)}
    assert {"pyproject.toml", "bot/cli/main.py", "storage/py.typed"} < names
    assert not any("__pycache__" in name or name.startswith("tests") for name in names)
