"""The objects that several parts of a bot are built from."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from slack_sdk import WebClient

from bot.access import Access
from bot.agents.config.access_rules import refuse_groups_without_scope
from bot.agents.config.roster import Roster
from bot.concurrency.event_dedup import EventDedup
from bot.concurrency.fence import Fence
from bot.concurrency.lanes import Lanes
from bot.concurrency.notice_board import DELETION, THREAD, NoticeBoard
from bot.concurrency.other_processes import OtherProcesses
from bot.concurrency.running_turns import RunningTurns
from bot.replies.delivery import ReplyDelivery
from bot.replies.unfinished import UnfinishedReplies
from bot.settings import Settings
from bot.slack.connection.client import (
    client_for_lookups,
    client_with_retries,
    client_without_retries,
)
from bot.slack.connection.credentials import SCOPES_UNKNOWN, identify
from bot.slack.connection.presence import Presence
from bot.slack.connection.start_client import client_for_start
from bot.slack.connection.status import ConnectionStatus
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.conversation.names import NameLookup
from bot.slack.directory import Directory
from bot.slack.own_deletions import OwnDeletions
from bot.slack.own_secrets import OwnSecrets
from bot.slack.threads import ThreadReader
from bot.turns.budget_check import BudgetCheck
from bot.turns.decision import BotIdentity
from bot.turns.eraser import Eraser
from bot.turns.permission import Permission
from storage import Observability
from storage.coordination.process_identity import new_writer
from storage.database.connect import database_path

logger = logging.getLogger("tracebot")


@dataclass(frozen=True, slots=True)
class Shared:
    """The objects that several parts of a bot are built from."""

    settings: Settings
    observability: Observability
    secrets: OwnSecrets
    roster: Roster
    identity: BotIdentity
    team: str
    workspace: str
    """The workspace's URL, with a slash at its end."""
    client: WebClient
    directory: Directory
    names: NameLookup
    reader: ConversationReader
    threads: ThreadReader
    access: Access
    permission: Permission
    notices: NoticeBoard
    presence: Presence
    dedup: EventDedup
    lanes: Lanes
    fence: Fence
    others: OtherProcesses
    running: RunningTurns
    deletions: OwnDeletions
    delivery: ReplyDelivery
    unfinished: UnfinishedReplies
    eraser: Eraser
    budgets: BudgetCheck


def build_shared(
    settings: Settings,
    roster: Roster,
    observability: Observability,
    collector: str | None,
    status: ConnectionStatus,
) -> Shared:
    """Build them, once Slack has said who the bot is. Raises like `build_bot`."""
    auth, identity = _identity(settings, roster)
    team = auth["team_id"]
    database, process = observability.database, new_writer()
    secrets = OwnSecrets(settings, roster, collector=collector)
    client = client_with_retries(settings, secrets)
    directory = Directory(client_for_lookups(settings, secrets))
    names = NameLookup(directory)
    access = Access(directory, database, team=team)
    presence = Presence(database, status, team=team, process=process)
    running = RunningTurns(database, limit=settings.workers)
    lanes = Lanes(database, team=team, process=process)
    others = OtherProcesses(database, team=team, process=process, confirm=presence.confirm)
    fence = Fence(presence.confirm)
    unfinished = UnfinishedReplies(
        database,
        team=team,
        process=process,
        keep_text=settings.capture != "none",
        fence=fence,
    )
    presence.on_return(others.forget)
    presence.on_return(fence.look)
    fence.watch(lanes.find_lost)
    fence.watch(unfinished.find_lost)
    fence.on_loss(unfinished.forget)
    fence.on_loss(running.lose)
    notices = NoticeBoard(database, team=team, process=process)
    notices.each_second(presence.beat)
    notices.each_second(running.heed_requests)
    threads = ThreadReader(
        client,
        bot_id=identity.bot_id,
        tell=partial(notices.post, THREAD),
        catch_up=notices.catch_up,
    )
    deletions = OwnDeletions(tell=partial(notices.post, DELETION), catch_up=notices.catch_up)
    notices.subscribe(DELETION, deletions.hear)
    notices.subscribe(THREAD, threads.hear)
    notices.start()
    return Shared(
        settings=settings,
        observability=observability,
        secrets=secrets,
        roster=roster,
        identity=identity,
        team=team,
        workspace=str(auth.get("url") or ""),
        client=client,
        directory=directory,
        names=names,
        reader=ConversationReader(
            names, bot_user=identity.user, bot_id=identity.bot_id, settings=settings
        ),
        threads=threads,
        access=access,
        permission=Permission(access, directory, team=team),
        notices=notices,
        presence=presence,
        dedup=EventDedup(database),
        lanes=lanes,
        fence=fence,
        others=others,
        running=running,
        deletions=deletions,
        delivery=ReplyDelivery(
            client_without_retries(settings, secrets),
            bot_id=identity.bot_id,
            deletions=deletions,
            require_turn=fence.require_current,
        ),
        unfinished=unfinished,
        eraser=Eraser(observability),
        budgets=BudgetCheck(database),
    )


def _identity(settings: Settings, roster: Roster) -> tuple[dict[str, Any], BotIdentity]:
    """Ask Slack who the bot is, and what it may do; return its answer, and the bot."""
    auth = identify(client_for_start(settings))
    if auth["scopes"] is None:
        logger.warning(SCOPES_UNKNOWN)
    else:
        roster.require(partial(refuse_groups_without_scope, scopes=auth["scopes"]))
    identity = BotIdentity(
        user=auth["user_id"],
        bot_id=auth["bot_id"],
        mention_only=settings.mention_only,
        answer_edits=settings.answer_edits,
    )
    return auth, identity


def files_folder(settings: Settings) -> Path:
    """Return the folder of downloaded files, which is beside the database."""
    return database_path(settings.database_url).parent / "files"
