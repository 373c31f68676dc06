"""Slack refuses a table or a chart: people read the same as text."""

import pytest
from slack_sdk.errors import SlackApiError

from bot.agents.config.roster import load_roster
from bot.sandbox import Channel, Sandbox, User
from bot.slack.connection.client import client_with_retries, client_without_retries
from bot.slack.connection.guarded_client import PlainClient
from bot.slack.own_secrets import OwnSecrets
from reports.render.slack.tables import Number, chart, table
from storage import Observability
from tests.support.running_bot import settings_for

TABLE = table("Runs", ("agent", "runs"), [("claude", Number(2, "2"))]).block
CHART = chart("Runs a day", "bar", ["Mon", "Tue"], {"claude": [1, 2]})


@pytest.fixture
def client(sandbox: Sandbox, observability: Observability) -> PlainClient:
    settings = settings_for(sandbox, observability)
    made = client_without_retries(settings, OwnSecrets(settings, load_roster(None)))
    assert isinstance(made, PlainClient)
    return made


@pytest.mark.parametrize("named", [True, False])
def test_a_message_is_posted_once_with_the_rows_of_its_table(
    named: bool, client: PlainClient, sandbox: Sandbox, general: Channel
) -> None:
    sandbox.faults.refuse_blocks("data_table", "data_visualization", named=named)
    client.chat_postMessage(channel=general.id, text="Runs", blocks=[TABLE, CHART])
    (posted,) = sandbox.messages(general)
    assert "claude     2" in str(posted.blocks)
    assert "Tue       2" in str(posted.blocks)


def test_rows_too_wide_for_a_phone_name_their_values(
    client: PlainClient, sandbox: Sandbox, general: Channel
) -> None:
    columns = ("agent", "traces", "failed", "half within", "95% within", "cost")
    wide = table("By agent", columns, [("a*b", Number(2, "2"), "0", "8.9 s", "44.0 s", "–")]).block
    sandbox.faults.refuse_blocks("data_table")
    client.chat_postMessage(channel=general.id, text="By agent", blocks=[wide])
    (posted,) = sandbox.messages(general)
    said = "*a*b*  traces 2 · failed 0 · half within 8.9 s · 95% within 44.0 s"
    assert posted.blocks[1]["text"]["text"] == said, "a cost that is unknown is left out"


def test_a_view_is_opened_with_the_rows_of_its_table(
    client: PlainClient, sandbox: Sandbox, alice: User
) -> None:
    sandbox.faults.refuse_blocks("data_table")
    client.views_publish(user_id=alice.id, view={"type": "home", "blocks": [TABLE]})
    assert "claude     2" in str(sandbox.home(alice))


def test_a_message_whose_plain_blocks_are_refused_too_is_posted_in_words(
    sandbox: Sandbox, observability: Observability, general: Channel
) -> None:
    settings = settings_for(sandbox, observability)
    client = client_with_retries(settings, OwnSecrets(settings, load_roster(None)))
    sandbox.faults.refuse_blocks("data_table", "section", "context")
    client.chat_postMessage(channel=general.id, text="Runs", blocks=[TABLE])
    (posted,) = sandbox.messages(general)
    assert (posted.blocks, "claude     2" in posted.text) == ([], True)
    # Nothing of the old blocks stays in a message that is replaced.
    sandbox.faults.refuse_blocks()
    client.chat_update(channel=general.id, ts=posted.ts, text="Runs", blocks=[TABLE])
    sandbox.faults.refuse_blocks("data_table", "section", "context")
    client.chat_update(channel=general.id, ts=posted.ts, text="Runs", blocks=[TABLE])
    (posted,) = sandbox.messages(general)
    assert (posted.blocks, "claude     2" in posted.text) == ([], True)


def test_what_cannot_be_plainer_is_refused_as_before(client: PlainClient, general: Channel) -> None:
    with pytest.raises(SlackApiError, match="invalid_blocks"):
        client.chat_postMessage(channel=general.id, text="x", blocks=[{"type": "nonsense"}])
