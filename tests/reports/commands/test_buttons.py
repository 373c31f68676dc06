"""A button below an answer changes one thing of the command, and keeps all else that was typed."""

import shlex
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import pytest

from reports.commands.handlers import Viewer, answer
from reports.commands.parser import LIMITS, build_parser, parse
from reports.render import slack
from reports.render.block_kit import ISSUE, RUN, Block
from storage import Observability
from storage.database.base import Database
from storage.model.batch import Batch
from storage.model.records import Metric
from storage.store.batch import store
from tests.support.factories import ALICE, GENERAL, MINUTE, NOW, TEAM, record_an_hour

PARSER, _ = build_parser(prog="/trace", shell=False)
COMMANDS = (
    "ls is --all -n 2 since:30d -agent:nobody -user:U0NOBODY duration>1ms tokens<2m cost<90",
    "search is -n 2 since:30d platform:slack -status:running channel:C0GENERAL",
    "slow -n 2 since:24h -agent:nobody duration<1h",
    "errors -n 1 since:24h -agent:nobody duration<1h",
    "errors -n 1 since:24h agent:nobody",
    f"errors since:24h -model:{'long-name-' * 8}",
    f"errors since:24h -model:{'long-name-' * 45} -user:U0NOBODY",
    "stats --by agent --compare since:24h",
    "stats agent:claude --by hour since:24h",
    "stats user:U0ALICE --compare",
    "cost --compare since:24h",
    "logs -n 5 --level warning since:7d",
    "logs -n 5",
    "logs {id} -n 5 --level error",
    "metrics since:24h",
    "metrics 'queue length' since:24h",
)
WITHOUT = {"ps"}
"""Lists without such buttons."""


@pytest.fixture
def trace_id(observability: Observability) -> str:
    ids = record_an_hour(observability)
    length = Metric(
        name="queue length",
        value=3.0,
        labels={},
        recorded_at=NOW - MINUTE,
        trace_id=ids["question"],
        span_id=None,
    )
    store(observability.database, Batch("p", 1, metrics=[length]))
    return ids["question"]


def buttons(command: str, database: Database) -> Iterator[tuple[str, str]]:
    """Yield the action id of each button and choice below the answer, with its command."""
    viewer = Viewer(audiences=frozenset({TEAM}), team=TEAM, user=ALICE, channel=GENERAL)
    view = answer(parsed(command), database=database, viewer=viewer, now=NOW)
    for element in elements(slack.render(view)):
        if element["action_id"].startswith(RUN):
            yield from (
                (element["action_id"], each["value"]) for each in element.get("options", [element])
            )
        elif element["action_id"].startswith(ISSUE):
            _, _, *kept = element["value"].split(" ", 2)
            yield element["action_id"], f"errors {' '.join(kept)}"


def elements(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        if block["type"] == "actions":
            yield from block["elements"]


def parsed(command: str) -> Namespace:
    return parse(PARSER, shlex.split(command))


def changed(before: str, after: str) -> set[str]:
    """Return the names of what is different, each filter by itself."""
    first, second = map(_facts, (parsed(before), parsed(after)))
    return {name for name in first if first[name] != second[name]}


def _facts(args: Namespace) -> dict[str, object]:
    return {**vars(args), "filters": None, **asdict(args.filters)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_button_changes_one_thing(
    observability: Observability, trace_id: str, command: str
) -> None:
    command = command.format(id=trace_id)
    found = list(buttons(command, observability.database))
    assert found
    for action, value in found:
        assert len(changed(command, value)) <= 1, (action, value)


def test_each_list_is_tried() -> None:
    tried = {command.split()[0] for command in COMMANDS}
    assert set(LIMITS) - WITHOUT <= tried
