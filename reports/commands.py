"""The words that people ask with, the same in Slack and in a shell: parsed here, answered here."""

import argparse
import difflib
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from peewee import Database

from reports import views
from reports.durations import parse_duration
from reports.errors import UsageError
from storage import queries
from storage.queries import BadCursor, TraceSummary
from storage.upkeep import health

DIMENSIONS = ("agent", "provider", "model", "platform", "channel", "user", "decision", "hour")
STATUSES = ("running", "ok", "error", "timeout", "cancelled", "abandoned")
PLATFORMS = ("slack", "cli", "mcp", "otlp")

PERMALINK = re.compile(r"/archives/([A-Z0-9]+)/p(\d{10})(\d{6})(?:\?.*?thread_ts=([\d.]+))?")
ESCAPED = re.compile(r"<[#@]([A-Z0-9]+)(?:\|[^>]*)?>|<(https?://[^|>]+)(?:\|[^>]*)?>")
TYPED = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'"})
DASH = re.compile(r"(?<!\S)[—–](?=\w)")
APOSTROPHE, KEPT = re.compile(r"(?<=\w)'(?=\w)"), "\ue000"

SLACK_PAGE = 10
"""Traces in a message: more would not fit into it, and its button goes on from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who asks, and from where. `audiences` of None: a shell on the database's own machine."""

    audiences: frozenset[str] | None = None
    may_see: Callable[[TraceSummary], bool] = lambda trace: True
    team: str | None = None
    user: str | None = None
    channel: str | None = None
    time_zone: str = "UTC"


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would print and exit."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options, exit_on_error=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(_sentence(message, self.prog))


def _sentence(message: str, prog: str) -> str:
    if match := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
        word, choices = match.group(1), re.findall(r"[\w-]+", match.group(2))
        close = difflib.get_close_matches(word, choices, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(choices)}."
        return f"{word} is not something {prog} knows: {hint}"
    return f"{message[:1].upper()}{message[1:]}. See {prog.split()[0]} help."


LS_EXAMPLES = """\
examples:
  ls                                the newest turns, commands and calls
  ls --agent claude --since 24h     what claude did since yesterday
  ls --status error                 what failed
  ls release notes                  those that speak of release and of notes
"""
STATS_EXAMPLES = """\
examples:
  stats                     the last 7 days
  stats --by agent          … of each agent
  stats --by decision       why messages were answered, or not
"""


def build_parser(*, prog: str, shell: bool) -> tuple[Parser, Any]:
    """The grammar, and the place where the shell adds commands of its own."""
    parser = Parser(prog=prog, description="Ask what the agents did.", add_help=shell)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=Parser, required=False
    )
    own = Parser(add_help=False)
    if shell:
        own.add_argument("--json", action="store_true", help="one JSON object, with raw numbers")
        own.add_argument("--database", metavar="PATH", help="instead of TRACEBOT_DATABASE_URL")

    def command(name: str, help: str, examples: str = "") -> Parser:
        made: Parser = commands.add_parser(
            name, help=help, description=help, epilog=examples, parents=[own], add_help=shell
        )
        return made

    ls = command("ls", "List traces, newest first.", LS_EXAMPLES)
    ls.add_argument("words", nargs="*", help="words that it has to speak of")
    ls.add_argument("--agent", metavar="NAME")
    ls.add_argument("--status", choices=STATUSES)
    ls.add_argument("--channel", metavar="ID")
    ls.add_argument("--user", metavar="ID")
    ls.add_argument("--platform", choices=PLATFORMS)
    ls.add_argument("--since", type=_period, metavar="PERIOD", help="such as 24h or 7d")
    most = 100 if shell else SLACK_PAGE
    ls.add_argument(
        "--limit", type=_limit_to(most), default=10, metavar="N", help=f"at most {most}"
    )
    ls.add_argument("--all", action="store_true", help="also messages that were only skipped")
    ls.add_argument("--cursor", metavar="CURSOR", help="go on where a list ended")
    show = command("show", "Show one trace: each step, how long it took, how it ended.")
    show.add_argument("id", metavar="ID", help="a trace's id, its beginning, or a message's link")
    thread = command("thread", "Show all turns of a thread.")
    thread.add_argument("place", nargs="*", metavar="LINK", help="a message's link, or CHANNEL TS")
    stats = command("stats", "Counts, errors, latency, tokens and cost.", STATS_EXAMPLES)
    stats.add_argument("--by", choices=DIMENSIONS)
    stats.add_argument("--since", type=_period, default=_period("7d"), metavar="PERIOD")
    command("ps", "Show what runs now.")
    command("health", "Say how the recording and its database are.")
    command("help", "Show these words.")
    if not shell:
        digest = command("digest", "A morning summary in this channel.")
        digest.add_argument("order", nargs="*")
    return parser, commands


def _period(words: str) -> int:
    try:
        return parse_duration(words)
    except ValueError as error:
        raise UsageError(f"{error}.") from None


def _limit_to(most: int) -> Callable[[str], int]:
    def limit(words: str) -> int:
        if not words.isdecimal() or not 1 <= int(words) <= most:
            raise UsageError(f"{words!r} is no limit: write a number from 1 to {most}.")
        return int(words)

    return limit


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """The words as a namespace with a `command`. Raises `UsageError`."""
    try:
        words, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UsageError(_sentence(str(error), parser.prog)) from None
    words.command = words.command or "help"
    _take(rest, words, parser.prog)
    return words


def _take(rest: Sequence[str], words: argparse.Namespace, prog: str) -> None:
    """What argparse leaves over: words that follow an option, or what makes no sense."""
    for word in rest:
        if word.startswith("-") or not hasattr(words, "words"):
            options = [f"--{name.replace('_', '-')}" for name in vars(words) if name != "command"]
            close = difflib.get_close_matches(word.partition("=")[0], options, n=1)
            hint = f"did you mean {close[0]}?" if close else f"see {prog} help."
            raise UsageError(f"{words.command} does not take {word}: {hint}")
    if rest:
        words.words = [*words.words, *rest]


def split_slack(text: str) -> list[str]:
    """The words of a slash command as it was typed: quotes and dashes as Slack bends them."""
    plain = DASH.sub("--", text.translate(TYPED))
    plain = ESCAPED.sub(lambda match: match.group(1) or match.group(2), plain)
    try:
        words = shlex.split(APOSTROPHE.sub(KEPT, plain))
    except ValueError:
        raise UsageError(
            'A quote is not closed: write "two words" with a quote at both ends.'
        ) from None
    words = [word.replace(KEPT, "'") for word in words]
    if not words or {"-h", "--help"} & set(words):
        return ["help"]
    return [words[0].lower(), *words[1:]]  # A telephone begins with a capital.


def answer(
    words: argparse.Namespace, *, database: Database, viewer: Viewer, now: int
) -> views.View:
    """What the words ask for, as `viewer` may see it. Raises `UsageError`."""
    return ANSWERS[words.command](words, database, viewer, now)


def _ls(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    try:
        page = queries.recent_traces(
            database,
            audiences=viewer.audiences,
            words=" ".join(words.words),
            agent=words.agent,
            status=words.status,
            channel=words.channel,
            user=words.user,
            platform=words.platform,
            since=now - words.since if words.since else None,
            skipped=words.all,
            limit=words.limit,
            cursor=words.cursor,
        )
    except BadCursor as error:
        raise UsageError(str(error)) from None
    seen = tuple(trace for trace in page.traces if viewer.may_see(trace))
    return views.trace_list(seen, next=page.next, words=_again(words), now=now)


def _again(words: argparse.Namespace) -> dict[str, Any]:
    """What the next page is asked with."""
    kept = ("words", "agent", "status", "channel", "user", "platform", "since", "limit", "all")
    return {name: value for name in kept if (value := getattr(words, name))}


def _show(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    link = PERMALINK.search(words.id)
    if link:
        found = queries.message_traces(
            database,
            channel=link.group(1),
            message_ts=f"{link.group(2)}.{link.group(3)}",
            audiences=viewer.audiences,
        ) or _thread_of(link, database, viewer)
        found = found[-1:]
    elif re.fullmatch(r"[0-9a-fA-F]{4,32}", words.id):
        found = queries.traces_by_id(database, words.id, audiences=viewer.audiences)
    else:
        raise UsageError(
            f"{words.id} is no trace's id: give at least 4 of its digits, or a message's link."
        )
    seen = [trace for trace in found if viewer.may_see(trace)]
    if not seen:
        return views.not_found(words.id)
    if len(seen) > 1:
        return views.ambiguous(words.id, [trace.trace_id for trace in seen])
    return views.trace_tree(seen[0], queries.trace_spans(database, seen[0].trace_id), now=now)


def _thread_of(link: re.Match[str], database: Database, viewer: Viewer) -> tuple[TraceSummary, ...]:
    """The link may be of an answer: its thread's turns that began before it."""
    if link.group(4) is None:
        return ()
    turns = queries.thread_traces(
        database, channel=link.group(1), thread_ts=link.group(4), audiences=viewer.audiences
    )
    answered = int(link.group(2)) * 1_000_000_000 + int(link.group(3)) * 1_000
    return tuple(
        turn for turn in turns if turn.decision == "answer" and turn.started_at <= answered
    )


def _thread(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    channel, thread_ts = _place(words.place, database, viewer)
    found = queries.thread_traces(
        database, channel=channel, thread_ts=thread_ts, audiences=viewer.audiences
    )
    seen = tuple(trace for trace in found if viewer.may_see(trace))
    if not seen:
        return views.not_found("that thread")
    return views.thread(seen, now=now)


def _place(place: Sequence[str], database: Database, viewer: Viewer) -> tuple[str, str]:
    if not place:
        return _latest_thread(database, viewer)
    if len(place) == 1 and (link := PERMALINK.search(place[0])):
        return link.group(1), link.group(4) or f"{link.group(2)}.{link.group(3)}"
    if len(place) == 2 and re.fullmatch(r"\d+\.\d+", place[1]):
        return place[0], place[1]
    raise UsageError(
        "That names no thread: give a message's link (… → Copy link), or a channel's id and "
        "the thread's time stamp."
    )


def _latest_thread(database: Database, viewer: Viewer) -> tuple[str, str]:
    page = queries.recent_traces(
        database, audiences=viewer.audiences, channel=viewer.channel, platform="slack", limit=20
    )
    for trace in page.traces:
        if trace.channel and trace.thread_ts and viewer.may_see(trace):
            return trace.channel, trace.thread_ts
    raise UsageError("There is no thread here yet: give the link of one of its messages.")


def _stats(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    statistics = queries.statistics(
        database, since=now - words.since, until=now, by=words.by, audiences=viewer.audiences
    )
    return views.statistics(statistics, by=words.by, time_zone=viewer.time_zone)


def _ps(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    found = queries.running_traces(database, audiences=viewer.audiences)
    return views.running(tuple(filter(viewer.may_see, found)), now=now)


def _health(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    return views.health(health(database), now=now)


def _help(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    return views.help_words()


ANSWERS: dict[str, Callable[[argparse.Namespace, Database, Viewer, int], views.View]] = {
    "ls": _ls,
    "show": _show,
    "thread": _thread,
    "stats": _stats,
    "ps": _ps,
    "health": _health,
    "help": _help,
}
