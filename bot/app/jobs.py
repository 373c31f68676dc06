"""Build the scheduler and its jobs: digests, alerts, budget warnings, repair of replies."""

import time
from functools import partial

from bot.agents.config.status import unusable_agents
from bot.app.shared import Shared, files_folder
from bot.jobs.alerts import Alerts, SlackPosts
from bot.jobs.budget_warnings import BudgetWarnings
from bot.jobs.digests import Digests, post_digest, was_posted
from bot.jobs.poster import Poster
from bot.jobs.scheduler import Scheduler
from bot.replies.repair import ReplyRepair
from bot.slack.connection.client import client_without_retries
from bot.slack.connection.start_client import client_for_start
from bot.slack.connection.status import ConnectionStatus, check_token, note_connection
from bot.slack.errors import SLACK_ERRORS
from bot.slack.turn_folders import delete_old_files
from bot.trace_ui.names import key_names
from bot.turns.inbox import Inbox
from bot.turns.take_over import TakeOver
from reports.views.health_rules import problems_of
from storage.health import health


def build_digests(shared: Shared) -> Digests:
    return Digests(
        shared.observability.database,
        team=shared.team,
        workspace=shared.workspace,
        post=partial(post_digest, shared.client),
        posted=partial(was_posted, shared.client, shared.identity.bot_id),
        sight_in=shared.access.sight_in,
    )


def build_alerts(shared: Shared) -> Alerts:
    database = shared.observability.database
    return Alerts(
        database,
        team=shared.team,
        posts=SlackPosts(shared.client, shared.identity.bot_id),
        sight_in=shared.access.sight_in,
        names_for=partial(key_names, shared.names, shared.directory),
        agents=lambda: unusable_agents(shared.roster),
        in_file=lambda: ((each.channel, each.condition) for each in shared.roster.alerts),
        slack_errors=SLACK_ERRORS,
        health=lambda: problems_of(health(database, now=(now := time.time_ns())), now=now),
    )


def _budget_warnings(shared: Shared) -> BudgetWarnings:
    client = shared.client
    poster = Poster(
        shared.observability.database,
        post=partial(post_digest, client),
        posted=partial(was_posted, client, shared.identity.bot_id),
    )
    return BudgetWarnings(
        shared.observability.database,
        poster,
        team=shared.team,
        sight_in=shared.access.sight_in,
        direct=lambda user: str(client.conversations_open(users=user)["channel"]["id"]),
    )


def build_scheduler(
    shared: Shared, inbox: Inbox, digests: Digests, alerts: Alerts, status: ConnectionStatus
) -> Scheduler:
    settings, database = shared.settings, shared.observability.database
    repair = ReplyRepair(
        client_without_retries(settings, shared.secrets, timeout_s=10),
        shared.unfinished,
        shared.observability,
        bot_user=shared.identity.user,
        bot_id=shared.identity.bot_id,
        deletions=shared.deletions,
    )
    take_over = TakeOver(
        client_without_retries(settings, shared.secrets, timeout_s=10),
        shared.identity,
        shared.lanes,
        shared.others,
        inbox,
        shared.observability,
        end_replies=lambda now: repair.run(now=now),
    )
    warnings = _budget_warnings(shared)
    return Scheduler(
        database,
        digests=digests,
        retention=settings.retention,
        folding=settings.folding,
        delete_old_files=lambda before: delete_old_files(files_folder(settings), before=before),
        note_connection=partial(note_connection, database, status, team=shared.team),
        check_token=partial(check_token, client_for_start(settings), status),
        adopt=shared.observability.adopt,
        take_over=lambda now: take_over.run(now=now),
        end_replies=lambda now: repair.run(now=now),
        follow_left=shared.access.follow_left,
        run_alerts=lambda now: alerts.run(now=now),
        warn_of_budgets=lambda now: warnings.send_due(now=now),
    )
