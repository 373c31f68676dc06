"""Format numbers, times and reasons for people to read."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from reports.units import WEEKDAYS, duration_text, is_duration, parse_duration

SECOND_NS = 1_000_000_000

ICONS = {
    "running": "…",
    "ok": "✓",
    "error": "✗",
    "timeout": "⧖",
    "cancelled": "⊘",
    "abandoned": "☠",
    "skipped": "·",
}

ANSWERED = frozenset(("mentioned", "direct_message", "active_speaker", "asked_again"))
"""The reasons for which a message is answered. All others are reasons not to."""

REASONS = {
    "mentioned": "the bot was mentioned",
    "direct_message": "it was a direct message",
    "active_speaker": "the bot spoke last in this thread",
    "asked_again": "somebody pressed Try again or Ask anyway",
    "own_message": "the bot wrote it itself",
    "bot_message": "another bot wrote it",
    "not_a_message": "it was an edit, a join or another event without a question",
    "empty": "the message was empty",
    "other_bot_mentioned": "another bot was mentioned",
    "mention_only": "the bot answers only when it is mentioned",
    "other_agent_active": "another agent spoke last in this thread",
    "no_active_speaker": "nobody asked the bot in this thread",
    "thread_unreadable": "the thread could not be read from Slack",
    "not_mentioned": "the bot was not mentioned",
    "mention_by_edit": "the mention was added by an edit, and TRACEBOT_ANSWER_EDITS is not set",
    "handled_elsewhere": "another process handled it",
    "agent_gone": "the agent of the button is not in the agents file any more",
    "asker_unknown": "Slack did not tell who asked",
    "guest_may_not_ask": "guests may not ask this agent",
    "stranger_may_not_ask": "people of other organisations may not ask this agent",
    "only_bots_talk": "only bots have written in this thread for a while",
    "workflow_may_not_ask": "workflows may not ask this agent",
    "person_not_allowed": "only certain people may ask this agent",
    "channel_not_allowed": "this agent may not be asked in this channel",
    "shared_channel_not_allowed": "guests or people of other organisations can read the channel",
    "readers_unknown": "Slack did not tell who can read the channel",
    "budget_suspended": "a budget is used up, and nobody has said to ask anyway",
    "budget_spent": "the hard limit of a budget is reached",
}
"""The reasons of decisions, as they complete "answered because …" and "skipped because …"."""

UNKNOWN = "–"
LONGER_DAYS = (30, 365)
"""The periods that an empty list advises."""

PERMALINK = re.compile(r"/archives/([A-Z0-9]+)/p(\d{10})(\d{6})(?:\?[^\s<>|]*?thread_ts=([\d.]+))?")
"""The link of a message: its channel, the two halves of its time stamp, and its thread's."""

CHANNEL_ID, TS = re.compile(r"[CDG][A-Z0-9]+"), re.compile(r"\d+\.\d+")
HIDDEN = re.compile(
    # Control characters but tab and newline (C0, DEL, C1), with which escape sequences begin, and
    # halves of a character, which cannot be shown.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
    # Marks that turn the direction of the text around them, and others without a width.
    "|[\u061c\u180e\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
    # Joiners and breaks beside a Latin letter or alone: emoji and other scripts need them.
    "|(?<![^\x00-\u024f])[\u200b-\u200d]|[\u200b-\u200d](?![^\x00-\u024f])"
    # Letters that are not shown at all, but for those of flags.
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]"
)
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""The hidden characters that no text needs: joiners and single marks of direction are not in it."""

ESCAPE_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b(?=[0-9]))[0-?]*[ -/]*[@-~]"  # colours and movements of the cursor
    r"|\x1b[\]PX^_][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]?"
)
"""https://ecma-international.org/publications-and-standards/standards/ecma-48/"""
CONTROL_PICTURES = 0x2400
"""Unicode's pictures of the control characters, such as ␛, begin here."""


def duration(ns: float | None) -> str:
    """Format nanoseconds: `40 µs`, `412 ms`, `3.2 s`, `4 min 05 s`, `2 h 10 min`."""
    if ns is None:
        return UNKNOWN
    if ns < 950_000:
        return f"{ns / 1_000:.0f} µs"
    if ns < 9_950_000:
        return f"{ns / 1_000_000:.1f} ms"
    if ns < 999_500_000:
        return f"{ns / 1_000_000:.0f} ms"
    seconds = ns / SECOND_NS
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def cost(micro_dollars: int | None) -> str:
    """Format micro-dollars as dollars: `$1.20`, or `$0.0123` below a dollar; `–` if unknown."""
    if micro_dollars is None:
        return UNKNOWN
    dollars = micro_dollars / 1_000_000
    return f"${dollars:,.2f}" if dollars >= 1 or not dollars else f"${dollars:.4f}"


def tokens(count: int | None) -> str:
    """Format a count of tokens: `412`, `12.3k`, `4.1M`; `–` if unknown."""
    if count is None:
        return UNKNOWN
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.1f}k" if count < 999_950 else f"{count / 1_000_000:.1f}M"


def token_pair(input_tokens: int | None, output_tokens: int | None) -> str:
    """Format input and output tokens: `12.3k → 412`; empty if neither is known."""
    if input_tokens is None and output_tokens is None:
        return ""
    return f"{tokens(input_tokens)} → {tokens(output_tokens)}"


def thumbs(up: int, down: int) -> str:
    """Format the numbers of thumbs: `👍 2 👎 1`; empty if there are none."""
    counted = ((up, "👍"), (down, "👎"))
    return " ".join(f"{thumb} {count}" for count, thumb in counted if count)


def number(value: float) -> str:
    """Format a number with four digits or all before the point: `0.01235`, `3.142`, `12,346`."""
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e12 else f"{value:.4g}"


def size(count: int) -> str:
    """Format bytes: `812 B`, `3.4 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1_000 or unit == "GB":
            break
        value /= 1_000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def lasting(started_at: int, *, now: int) -> int:
    """Return for how long something runs; 0 if the clock of the host where it began is ahead."""
    return max(now - started_at, 0)


def ago(then: int, *, now: int) -> str:
    """Format the time since `then`: `just now`, `5 min ago`, `3 h ago`, `2 d ago`."""
    seconds = max(now - then, 0) // SECOND_NS
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "just now" if seconds < 10 else f"{seconds} s ago"


def period(since: int, until: int) -> str:
    """Format a period: `last 7 days`, `last 24 hours`, `last 30 minutes`."""
    hours = (until - since) / 3_600 / SECOND_NS
    if hours >= 48:
        return f"last {hours / 24:.0f} days"
    minutes = hours * 60
    if minutes < 2:
        return f"last {minutes * 60:.0f} seconds"
    return f"last {hours:.0f} hours" if hours >= 2 else f"last {minutes:.0f} minutes"


UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def of_period(since: int, until: int, words: str) -> str:
    """Format the period that somebody asked for: `of the last 60 hours`, `since 2026-11-20`."""
    if not words:
        return f"of the {period(since, until)}"
    if not is_duration(words):
        return f"since {beginning(words)}"
    words = duration_text(parse_duration(words))
    count, unit = words[:-1], UNITS[words[-1]]
    return f"of the last {count} {unit}" if int(count) != 1 else f"of the last {unit[:-1]}"


def beginning(words: str) -> str:
    """Format a word of `--since` that is a day or a time: `Monday`, `2026-11-20 14:00`."""
    day, _, clock = words.partition("T")
    return f"{day.capitalize() if day in WEEKDAYS else day} {clock}".rstrip()


def nothing_in(since: int, until: int, what: str) -> str:
    """Complete a sentence on an empty period with the advice of a longer one, if there is one."""
    days = (until - since) / 86_400 / SECOND_NS
    longer = next((each for each in LONGER_DAYS if days < each), None)
    return f"{what} Add --since {longer}d to look further back." if longer else what


def utc(ns: int) -> str:
    """Format nanoseconds since the epoch as RFC 3339 in UTC, with microseconds."""
    seconds, rest = divmod(ns, SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000:06}Z"


def local(ns: int, time_zone: str, *, form: str = "%Y-%m-%d %H:%M") -> str:
    from zoneinfo import ZoneInfo  # Here because ls, which shows no dates, need not wait for it.

    return datetime.fromtimestamp(ns // SECOND_NS, ZoneInfo(time_zone)).strftime(form)


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else UNKNOWN


def change(now: float | None, before: float | None) -> str:
    """Format a change: `+12%`, `−3%`, `new` if there was nothing; "" if it is the same."""
    if now == before or now is None or before is None:
        return ""
    if not before:
        return "new"
    share = round(100 * (now - before) / before)
    if share > 999:
        return f"×{now / before:,.0f}"
    return f"{'+' if share > 0 else '−'}{abs(share)}%" if share else ""


def message_link(
    workspace: str, *, channel: str | None, ts: str | None, thread_ts: str | None
) -> str:
    """Return the URL of a message in the *workspace*, whose own URL ends with a slash.

    It is empty if one of them is not known, or is not one of Slack's: received telemetry may have
    anything.
    """
    ts = ts or ""
    if not (workspace and CHANNEL_ID.fullmatch(channel or "") and TS.fullmatch(ts)):
        return ""
    is_reply = thread_ts not in (None, ts) and TS.fullmatch(thread_ts or "")
    in_thread = f"?thread_ts={thread_ts}&cid={channel}" if is_reply else ""
    return f"{workspace}archives/{channel}/p{ts.replace('.', '')}{in_thread}"


def reason(name: str | None) -> str:
    """Return the text of a decision's reason; an unknown one is returned as it is."""
    return REASONS.get(name or "", name or "")


def without_controls(text: str) -> str:
    """Return *text* without escape sequences and control characters; line breaks become newlines.

    For what a program says to people. `visible` is for those who want to know what it said.
    """
    if text.isascii() and text.isprintable():
        return text
    text = ESCAPE_SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return CONTROLS.sub("", text)


def visible(text: str) -> str:
    r"""Return *text* with its hidden characters shown, so that it cannot control a terminal.

    Escape becomes `␛`, a right-to-left override `\u202e`. Line breaks and tabs are kept.
    """
    if text.isascii() and text.isprintable():
        return text
    return HIDDEN.sub(_picture, text.replace("\r\n", "\n"))


def visible_json(text: str) -> str:
    r"""Return the same JSON with the hidden characters in its strings written as `\u202e`."""
    return HIDDEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(CONTROL_PICTURES + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    return f"\\x{code:02x}" if code < 0x100 else _escaped(found)


def plain(text: str) -> str:
    """Return one line without hidden characters."""
    return visible(" ".join(text.split()))


def shortened(text: str, length: int) -> str:
    """Return one plain line of at most `length` characters."""
    line = plain(text)
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def bar(start: float, width: float, length: int) -> str:
    """Draw a span's place in its trace as `length` characters, of which at least one is filled.

    `start` and `width` are shares of the trace's duration, between 0 and 1.
    """
    left = min(int(start * length), length - 1)
    filled = min(max(round(width * length), 1), length - left)
    return "·" * left + "█" * filled + "·" * (length - left - filled)


SPARKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """Draw a letter for each value, from zero, or the least if that is below, to the greatest."""
    least, greatest = min([0, *values]), max([0, *values])
    steps = (len(SPARKS) - 1) / ((greatest - least) or 1)
    return "".join(SPARKS[round((value - least) * steps)] for value in values)
