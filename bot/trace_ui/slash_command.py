"""Answer `/trace`, with only what the person who asks may see."""

import time
from argparse import Namespace

from bot.access import Access, Sight
from bot.jobs.digests import Digests
from bot.slack.conversation.names import Names
from bot.slack.directory import Directory
from bot.trace_ui.alerts import AlertOrders
from bot.trace_ui.answers import Answer, AnswerSender, Respond
from bot.trace_ui.budgets import Budgets
from bot.trace_ui.digest_settings import DigestSettings
from bot.trace_ui.forget import Forget
from bot.trace_ui.names import key_names, resolve
from bot.trace_ui.requester import Requester
from bot.turns.cancel import TurnCanceller
from reports.commands.budget_orders import parse_order as parse_budget_order
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, only_reads, parse
from reports.commands.typed import split_slack
from reports.digest.order import parse_order
from reports.errors import UsageError
from storage.database.base import Database

PARSER, COMMANDS = build_parser(prog="/trace", shell=False)
NAMES = frozenset(COMMANDS.choices)

OUT_OF_DATE = "This button is out of date. Type the command again."


class SlashCommand:
    """Answer commands. Each of them asks `Access` anew what its user may see."""

    def __init__(
        self,
        sender: AnswerSender,
        *,
        access: Access,
        directory: Directory,
        names: Names,
        digests: Digests,
        digest_settings: DigestSettings,
        budgets: Budgets,
        alerts: AlertOrders,
        canceller: TurnCanceller,
        forget: Forget,
        database: Database,
        workspace: str,
    ) -> None:
        """Take the URL of the *workspace*, with which links to its messages begin."""
        self._sender = sender
        self._access = access
        self._directory = directory
        self._names_of_ids = names
        self._digests = digests
        self._digest_settings = digest_settings
        self._budgets = budgets
        self._alerts = alerts
        self._canceller = canceller
        self._forget = forget
        self._database = database
        self._workspace = workspace

    def ask(self, text: str, requester: Requester, respond: Respond) -> None:
        """Send the answer to the text after `/trace`."""
        name = next(iter(text.lower().split()), "help")
        name = name if name in NAMES else "?"  # A span's name must not be somebody's text.
        self._sender.send(name, requester, lambda: self.answer(text, requester), respond)

    def answer(self, text: str, requester: Requester, *, only_read: bool = False) -> Answer:
        """Answer a command; refuse one that changes something if it may *only read*.

        Raises `UsageError`, `SLACK_ERRORS` and `PeeweeException`.
        """
        args = parse(PARSER, split_slack(text))
        if only_read and not only_reads(args):
            raise UsageError(OUT_OF_DATE)
        own = {
            "digest": self._digest,
            "alerts": self._alert,
            "cancel": self._cancel,
            "forget": self._ask_to_forget,
            "budget": self._budget,
        }
        return own.get(args.command, self._answer)(args, requester)

    def _answer(self, args: Namespace, requester: Requester) -> Answer:
        sight = self._access.sight(requester.team, requester.user)
        resolve(args, requester, sight, self._directory)
        viewer = self._viewer(requester, sight)
        view = answer(args, database=self._database, viewer=viewer, now=time.time_ns())
        # Read after the answer, which may have met a channel that Slack did not tell about.
        return Answer(view, "" if args.command == "help" else sight.note)

    def _viewer(self, requester: Requester, sight: Sight) -> Viewer:
        return Viewer(
            audiences=sight.audiences,
            in_doubt=sight.in_doubt,
            may_see=sight.may_see,
            may_name=sight.may_name,
            may_see_budget=lambda budget: self._budgets.may_see(budget, sight, requester),
            may_read=sight.may_see_in,
            name_of=key_names(self._names_of_ids, self._directory, sight),
            team=requester.team,
            user=requester.user,
            channel=requester.channel,
            workspace=self._workspace,
            time_zone=self._digest_settings.time_zone(requester.user),
        )

    def _digest(self, args: Namespace, requester: Requester) -> Answer:
        order = parse_order(args.order)
        sight = self._access.sight(requester.team, requester.user)
        if not sight.audiences:
            raise UsageError(sight.note)
        if order.what == "now":
            here = self._access.sight_in(requester.team, requester.channel).within(sight)
            zone = self._digest_settings.time_zone(requester.user)
            view = self._digests.last_24_hours(here, now=time.time_ns(), time_zone=zone)
            return Answer(view, here.note)
        return Answer(self._digest_settings.change(order, requester))

    def _alert(self, args: Namespace, requester: Requester) -> Answer:
        if not args.order:
            return self._answer(args, requester)
        return Answer(self._alerts.obey(args.order, requester))

    def _cancel(self, args: Namespace, requester: Requester) -> Answer:
        sight = self._access.sight(requester.team, requester.user)
        view = self._canceller.by_id(args.id, sight, team=requester.team, user=requester.user)
        return Answer(view, sight.note)

    def _ask_to_forget(self, args: Namespace, requester: Requester) -> Answer:
        return Answer(self._forget.ask(args, requester))

    def _budget(self, args: Namespace, requester: Requester) -> Answer:
        order = parse_budget_order(args.order)
        if order.what == "list":
            return self._answer(args, requester)
        zone = self._digest_settings.time_zone(requester.user)
        return Answer(self._budgets.order(order, requester, time_zone=zone))
