"""One trace: the question and how it ended, what the agents did, and all steps folded away."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import accumulate

from reports.formatting import bar
from reports.render.block_kit import (
    AGAIN,
    KEY,
    OPEN,
    RAW,
    SECTION,
    SHARE,
    SHOW,
    Block,
    actions,
    button,
    clipped,
    code,
    context,
    escape,
    json_length,
    section,
)
from reports.render.slack.ratings import rating_lines
from reports.render.slack.trace_list import EMOJI, place_of
from reports.views.agent_work import WorkLine
from reports.views.trace_list import TraceLine
from reports.views.trace_tree import RawView, SpanLine, TraceView

MOST = 12_400
"""Characters of the blocks as JSON, without what folds the steps. A message may have 13,000."""
MAX_SPANS = 40
WATERFALL = 5_500
NAME, BAR = 30, 10
"""Characters of a name, and of a bar: a phone breaks the row before the bar."""
MAX_WORK, TITLE, FACTS = 20, 80, 160
QUESTION, ERROR, ANSWER, LAST_WORDS = 300, 550, 340, 900
"""Characters once they are escaped, which makes code up to five times as long."""

BOLD = re.compile(r"`[^`]*`|(?<![\w*])\*\*(?=[^\s*])(.+?)(?<=[^\s*])\*\*(?![\w*])")
"""Bold words of an agent's Markdown, where Slack would show bold words; or code, which has none."""

RAW_PARTS, RAW_ROW = 4, 500
"""Sections on a page of JSON, and characters of a row: all of it fits into a message."""
WORK_MORE = 100
"""Characters that are kept free for the line which says how much more an agent did."""
WORK_EMOJI = {"attempt": ":robot_face:", "model": ":brain:", "tool": ":wrench:"}


def trace_tree(view: TraceView) -> list[Block]:
    above = [
        section(_question(view)),
        *_ending(view),
        *rating_lines(view.ratings, see_raw(view.line)),
    ]
    below = [
        context(f"`{view.line.trace_id}`"),
        {"type": "actions", "elements": list(_buttons(view))},
    ]
    above += _work(view, MOST - json_length([*above, *below]))
    return [*above, *_steps(view, MOST - json_length([*above, *below])), *below]


def _question(view: TraceView) -> str:
    line = view.line
    words = clipped(escape(view.question or line.name), QUESTION)
    said = f"“{words}”" if view.question else words
    asked = f"<{view.link}|{said}>" if view.link else f"*{said}*"
    agent = clipped(escape(line.agent), KEY)
    facts = [clipped(escape(view.asker), KEY), place_of(line), line.when, agent]
    return f"{asked}\n{' · '.join(fact for fact in facts if fact)}"


def _ending(view: TraceView) -> Iterator[Block]:
    line = view.line
    tokens = f"{line.tokens} tokens" if line.tokens else ""
    facts = " · ".join(fact for fact in (tokens, line.cost) if fact)
    ending = clipped(escape(view.ending), ERROR)
    yield section(f"{EMOJI.get(line.status, '')} *{ending}*" + (f"\n{facts}" if facts else ""))
    if view.last_words:
        yield code([_end_of("\n".join(view.last_words))])
    for answer in view.answers[:3]:
        yield section(f"&gt; {clipped(_bold(escape(answer)), ANSWER)}")


def _bold(answer: str) -> str:
    """Return Markdown with its bold words in Slack's own form: two stars would be shown as such."""
    return BOLD.sub(lambda found: f"*{found[1]}*" if found[1] else found[0], answer)


def _end_of(words: str) -> str:
    """Return the end of the text that is short enough once it is escaped, as JSON."""
    sizes = accumulate(json_length(escape(each)) for each in reversed(words))
    return words[len(words) - sum(size <= LAST_WORDS for size in sizes) :]


def _work(view: TraceView, room: int) -> Iterator[Block]:
    if not view.work:
        return
    title = "*What the agent did*"
    lines = [_work_line(line) for line in view.work[:MAX_WORK]]
    sizes = accumulate(map(json_length, lines), initial=len(title) + WORK_MORE)
    fit = sum(size <= min(SECTION, room) for size in sizes) - 1
    rows = [title, *lines[: max(fit, 0)]]
    if (more := len(view.work) + 1 - len(rows)) > 0:
        rows.append(f"… and {more} more: {see_raw(view.line)}")
    yield section("\n".join(rows))


def _work_line(line: WorkLine) -> str:
    title, facts = clipped(escape(line.title), TITLE), clipped(escape(line.facts), FACTS)
    mark = "" if line.status == "ok" else f"{EMOJI.get(line.status, '')} "
    said = " · ".join(part for part in (title, line.duration, facts) if part)
    return f"{'      ' * line.depth}{WORK_EMOJI[line.kind]} {mark}{said}"


def _steps(view: TraceView, room: int) -> Iterator[Block]:
    """Fold the steps away, if something above says what happened."""
    steps = list(_waterfall(view, room))
    if steps:
        count = len(view.spans)
        yield {
            "type": "container",
            "title": {
                "type": "plain_text",
                "text": f"All {count:,} steps" if count > 1 else "Its step",
            },
            "is_collapsible": True,
            "default_collapsed": bool(view.work),
            "child_blocks": steps,
        }


def see_raw(line: TraceLine) -> str:
    """Say where everything is shown: a message that was shared has no buttons."""
    return f"press *Raw* in `/trace show {line.short_id}`."


def _buttons(view: TraceView) -> Iterator[Block]:
    trace_id = view.line.trace_id
    if view.link:
        yield {**button("Open message", OPEN, trace_id), "url": view.link}
    if view.can_be_asked_again:
        yield button("Try again", AGAIN, trace_id)
    yield button("Share here", SHARE, trace_id)
    yield button("Raw", RAW, trace_id)


def raw(view: RawView) -> list[Block]:
    """Show a page of the JSON, in whole lines if these are not long."""
    parts = _parts(view.text.replace("```", "'''"))  # Before a cut can part them.
    pages = -(-len(parts) // RAW_PARTS)
    page = min(view.page, pages - 1)
    of = f", page {page + 1} of {pages}" if pages > 1 else ""
    shown = parts[page * RAW_PARTS : (page + 1) * RAW_PARTS]
    others = {"Previous": page - 1, "Next": page + 1}
    buttons = [
        button(label, f"{RAW}_{other}", f"{view.trace_id} {other}")
        for label, other in others.items()
        if 0 <= other < pages
    ]
    return [
        section(f"*{escape(view.title)}*{of}"),
        *map(code, shown),
        *actions(*buttons, button("Show trace", SHOW, view.trace_id)),
    ]


def _parts(text: str) -> list[list[str]]:
    """Divide the text into rows, as many together as fit into a block."""
    parts: list[list[str]] = [[]]
    size = 0
    for row in (line[at : at + RAW_ROW] for line in text.splitlines() for at in _starts(line)):
        length = _length(row)
        if size + length > SECTION - 6:
            parts.append([])
            size = 0
        parts[-1].append(row)
        size += length
    return parts


def _starts(line: str) -> range:
    return range(0, max(len(line), 1), RAW_ROW)


def _length(row: str) -> int:
    """Return the characters of a row and its line break in a message's JSON."""
    return json_length(f"{escape(row)}\n")


def _waterfall(view: TraceView, room: int) -> Iterator[Block]:
    """Show as many spans as fit into *room* characters, in as few blocks as possible."""
    spans = view.spans
    rows: list[str] = []
    shown, used, size = 0, 0, 0
    names = [_name(span) for span in spans[:MAX_SPANS]]
    width = max(map(len, names), default=0)
    for row in map(partial(_row, width), spans, names):
        length = _length(row)
        if used + length > min(WATERFALL, room):
            break
        if size + length > SECTION - 6:
            yield code(rows)
            rows, size = [], 0
        rows.append(row)
        shown, used, size = shown + 1, used + length, size + length
    if rows:
        yield code(rows)
    if shown < len(spans):
        yield context(f"… and {len(spans) - shown} more steps: {see_raw(view.line)}")


def _name(span: SpanLine) -> str:
    name = f"{'  ' * min(span.depth, 6)}{span.name}"
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _row(width: int, span: SpanLine, name: str) -> str:
    bars = bar(span.start, span.width, BAR)
    row = f"{span.icon} {name:<{width}} {span.duration:>8} {bars}"
    facts = span.facts if len(span.facts) <= 90 else f"{span.facts[:89]}…"
    return f"{row}  {facts}".rstrip()
