"""The newest 20 traces by each filter, at 1,000,000 spans against the same at 10,000."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from peewee import Database

from storage.model.filters import Filters
from storage.queries.lookups import running_traces
from storage.queries.traces import recent_traces
from tests.benchmarks.figure import Figure
from tests.benchmarks.growth import growth
from tests.benchmarks.run import Run
from tests.benchmarks.traces import (
    DAY,
    NOW,
    PRIVATE,
    PUBLIC,
    RARE_AGENT,
    TEAM,
    USERS,
)

PERSON: Collection[str] = (TEAM, USERS[0], *PRIVATE)
"""The audiences of a person in 50 private channels."""

FILTERS: Mapping[str, Mapping[str, Any]] = {
    "all": {},
    "--all": {"skipped": True},
    "an older page": {"cursor": f"{NOW - 15 * DAY}-0"},
    "a person": {"audiences": PERSON},
    "a person in no private channel": {"audiences": (TEAM, USERS[0])},
    "a stranger": {"audiences": ("U0NOBODY",)},
    "agent": {"filters": Filters(agent="claude")},
    "rare agent": {"filters": Filters(agent=RARE_AGENT)},
    "absent agent": {"filters": Filters(agent="nobody")},
    "a person, rare agent": {"audiences": PERSON, "filters": Filters(agent=RARE_AGENT)},
    "errors": {"filters": Filters(status="error")},
    "absent status": {"filters": Filters(status="abandoned")},
    "a person, timeouts": {"audiences": PERSON, "filters": Filters(status="timeout")},
    "channel": {"filters": Filters(channel=PUBLIC[3])},
    "absent channel": {"filters": Filters(channel="C0NOWHERE")},
    "user": {"filters": Filters(user=USERS[7])},
    "user, errors": {"filters": Filters(user=USERS[7], status="error")},
    "platform": {"filters": Filters(platform="mcp")},
    "absent platform": {"filters": Filters(platform="otlp")},
    "a day, agent": {"since": NOW - DAY, "filters": Filters(agent="codex")},
    "cost": {"filters": Filters(cost_above=10**12)},
    "a person, cost": {"audiences": PERSON, "filters": Filters(cost_above=10**12)},
    "duration": {"filters": Filters(duration_above=10**18)},
    "tokens": {"filters": Filters(tokens_above=10**12)},
    "absent model": {"filters": Filters(model="none")},
    "another agent": {"filters": Filters(without=(("agent", "claude"),))},
    "feedback": {"filters": Filters(feedback="down")},
    "words": {"words": "nightly import"},
    "words, a person": {"words": "nightly import", "audiences": PERSON},
    "uncommon words": {"words": "cancelled"},
    "absent words": {"words": "zeppelin"},
    "absent words, Chinese": {"words": "齐柏林飞艇"},
    "absent words, a person": {"words": "zeppelin", "audiences": PERSON},
}


def measure(run: Run) -> Iterator[Figure]:
    for name, filters in FILTERS.items():

        def ask(database: Database, filters: Mapping[str, Any] = filters) -> object:
            return recent_traces(database, **filters)

        yield growth(run, f"list, {name}", ask)
    yield growth(run, "list, running", lambda database: running_traces(database))
