"""Each benchmark runs with very little work; its result is not judged here."""

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import benchmarks, main
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run
from tests.benchmarks.table import as_json, as_markdown, as_text

BENCHMARKS = {
    name: module for name, module in benchmarks().items() if not getattr(module, "ON_DEMAND", False)
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_finds_its_figures(name: str, cache: Path) -> None:
    run = Run(cache=cache, rounds=1, small=200, big=400, share=0.005)
    figures = list(BENCHMARKS[name].measure(run))
    assert figures
    assert all(figure.name.startswith(name) and figure.ours >= 0 for figure in figures)
    assert figures[0].name in as_text(figures)


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
