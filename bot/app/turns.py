"""Build what a message passes through: inbox, turn, decision, reply."""

from urllib.parse import urlsplit

from bot.app.shared import Shared, files_folder
from bot.replies.final_reply import ReplyWriter
from bot.replies.notices import Notices
from bot.replies.responder import Responder
from bot.slack.attachments import SLACK_FILES, FileDownloads, FileLimits
from bot.slack.connection.client import client_without_retries
from bot.slack.reactions import Reactions
from bot.turns.agent_calls import AgentCalls
from bot.turns.asked import AgentChoice
from bot.turns.budget_notice import BudgetNotices
from bot.turns.decider import Decider
from bot.turns.inbox import Inbox
from bot.turns.late_parts import LateParts
from bot.turns.turn import TurnHandler

LIVE_TIMEOUT_S = 5
"""How long a reply that grows waits for Slack: as long may the end of the answer have to wait."""


def build_inbox(shared: Shared, collector: str | None) -> Inbox:
    notices = Notices(shared.delivery, shared.observability)
    handler = TurnHandler(
        client=shared.client,
        identity=shared.identity,
        roster=shared.roster,
        decider=_decider(shared),
        calls=_calls(shared, notices, collector),
        late_parts=LateParts(shared.client, observability=shared.observability),
        notices=notices,
        reactions=Reactions(shared.client, shared.observability),
        reader=shared.reader,
        unfinished=shared.unfinished,
        lanes=shared.lanes,
        running=shared.running,
        fence=shared.fence,
        dedup=shared.dedup,
        budget_notices=BudgetNotices(
            shared.budgets,
            notices,
            shared.roster,
            shared.permission,
            sight_in=shared.access.sight_in,
        ),
        observability=shared.observability,
    )
    inbox = Inbox(
        handler,
        team=shared.team,
        bot_user=shared.identity.user,
        reader=shared.reader,
        dedup=shared.dedup,
        lanes=shared.lanes,
        running=shared.running,
        observability=shared.observability,
    )
    shared.notices.each_second(inbox.look_again)
    return inbox


def _calls(shared: Shared, notices: Notices, collector: str | None) -> AgentCalls:
    return AgentCalls(
        responder=_responder(shared, collector),
        notices=notices,
        downloads=_downloads(shared),
        reader=shared.reader,
        fence=shared.fence,
        bot_id=shared.identity.bot_id,
        observability=shared.observability,
    )


def _decider(shared: Shared) -> Decider:
    return Decider(
        identity=shared.identity,
        directory=shared.directory,
        threads=shared.threads,
        choice=AgentChoice(
            shared.roster,
            shared.permission,
            bot_user=shared.identity.user,
            is_person=lambda name: bool(shared.directory.users_named(name)),
        ),
        budgets=shared.budgets,
        observability=shared.observability,
    )


def _responder(shared: Shared, collector: str | None) -> Responder:
    return Responder(
        bot_user=shared.identity.user,
        # Short: an update of a live reply that takes longer is overtaken by the next one.
        live_client=client_without_retries(
            shared.settings, shared.secrets, timeout_s=LIVE_TIMEOUT_S
        ),
        delivery=shared.delivery,
        observability=shared.observability,
        settings=shared.settings,
        secrets=shared.secrets,
        unfinished=shared.unfinished,
        writer=ReplyWriter(shared.secrets, lambda: shared.roster.names),
        names=shared.names,
        collector=collector,
    )


def _downloads(shared: Shared) -> FileDownloads:
    settings = shared.settings
    api = urlsplit(settings.slack_api_url)
    # The token goes to Slack's file server only, or to the sandbox if that is the API.
    own = {f"{api.scheme}://{api.netloc}"} if api.hostname in ("127.0.0.1", "localhost") else set()
    return FileDownloads(
        folder=files_folder(settings),
        token=settings.slack_bot_token.get_secret_value(),
        origins=frozenset({SLACK_FILES, *own}),
        limits=FileLimits(
            max_bytes=int(settings.max_file_mb * 1_000_000), max_files=settings.max_files
        ),
        observability=shared.observability,
        info=lambda file: shared.client.files_info(file=file)["file"],
    )
