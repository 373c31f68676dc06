"""One evaluation of 1,000 alerts at 1,000,000 spans: what a process does each minute."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.alerts.evaluation import Measured, watched
from reports.alerts.evaluation import measure as measured
from storage.coordination.alert_rules import AlertRule
from storage.database.connect import connect
from storage.model.span import own_audience
from storage.queries.traces import TraceSummary
from tests.benchmarks.databases import our_database
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run, milliseconds
from tests.benchmarks.traces import AGENTS, NOW, PRIVATE, PUBLIC, TEAM, USERS

RULES = 1_000
MEASURES = (
    *("error_rate>20%", "p95>30s", "cost>5", "tokens>1M", "count>100", "thumbs_down>30%"),
    "first_token>5s",
)
WHOSE = (
    [""],
    [f"agent:{agent}" for agent in AGENTS],
    [f"channel:{channel}" for channel in PUBLIC],
    [f"user:{user}" for user in USERS],
)
WINDOWS = ("15m", "1h", "6h", "24h", "168h")


@dataclass(frozen=True)
class Sight:
    """The sight of a channel in which only full members are."""

    audiences: frozenset[str]
    channel: str | None = None

    def may_see(self, trace: TraceSummary) -> bool:
        return True

    def may_see_in(self, channel: str) -> bool:
        return True


SIGHTS: Mapping[str, Sight] = {
    **{channel: Sight(frozenset({TEAM})) for channel in PUBLIC},
    **{channel: Sight(frozenset({TEAM, own_audience(TEAM, channel)})) for channel in PRIVATE},
}


def measure(run: Run) -> Iterator[Figure]:
    database = connect(our_database(run, run.big))
    rules = watched([rule(number) for number in range(RULES)], SIGHTS)

    def evaluate() -> Mapping[str, Measured]:
        return measured(database, rules, agents=dict, health=dict, now=NOW)

    evaluate()  # Fills the caches: the work is measured, not the disk.
    (took,) = run.medians(lambda: milliseconds(evaluate))
    database.close()
    yield Figure(name=f"alerts, {RULES:,} rules", ours=took, unit="ms", at_most=1_000)


def rule(number: int) -> AlertRule:
    whose = WHOSE[number % len(WHOSE)]
    channels = tuple(SIGHTS)
    measure = MEASURES[number % len(MEASURES)]
    windows = WINDOWS[:-1] if measure.startswith("first_token") else WINDOWS
    words = [
        measure,
        whose[number // len(WHOSE) % len(whose)],
        f"over:{windows[number // 7 % len(windows)]}",
    ]
    return AlertRule(
        id=f"{number:04x}",
        team=TEAM,
        channel=channels[number % len(channels)],
        condition=" ".join(filter(None, words)),
        created_by=USERS[0],
        created_at=0,
    )
