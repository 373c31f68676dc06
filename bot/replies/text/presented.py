"""Make an agent's Markdown presentable: no control characters, no pings, emphasis that shows."""

import re
from collections.abc import Callable, Iterator

from bot.replies.text.emphasis import ZERO_WIDTH_SPACE, Edit, mended_emphasis, unsettled_emphasis
from bot.replies.text.markdown import IN_CODE, prose
from reports.formatting import without_controls

NameOf = Callable[[str], str]
"""Returns the name of a user's id, or the id itself if it is unknown."""

MOST_NAMES = 50
"""The people of one text whose names are looked up. Each may take a call to Slack."""

_USER = r"[UW][A-Z0-9]{1,30}|(?i:[UW](?=[A-Z]{0,30}[0-9])[A-Z0-9]{1,30})"
_PING = re.compile(
    rf"<\s{{0,9}}(?:!\s{{0,9}}(?i:channel|here|everyone|group|subteam\^)[^<>]{{0,200}}"
    rf"|@\s{{0,9}}({_USER})\s{{0,9}}(?:\|[^<>]{{0,200}})?)>"
)
"""Texts that Slack turns into a mention, also in code. `<!DOCTYPE html>` is not one of them."""

_BARE = re.compile(r"(?<![\w@/.])@(?=(?:channel|here|everyone)\b)", re.IGNORECASE)
"""Slack makes no mention of it by default, and does not promise to leave it alone for ever."""

_UNSETTLED = re.compile(
    r"(?:\r|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,2000}\x1b?|[ -/]*)"
    r"|<\s*(?:[!@][^<>\n]{0,200})?|@\w{0,8})\Z"
)
"""The end of a text that more text may turn into something else."""

_MARKS = re.compile(r"([\\`*_~\[\]<>|])")


def nobody(user: str) -> str:
    """Know no user's name."""
    return user


def presented(text: str, name_of: NameOf = nobody) -> str:
    """Return Markdown for Slack that says the same, notifies nobody and hides nothing.

    A mention of a known person becomes their name; any other is broken by a zero-width space, which
    does not show. Code is changed only if it would notify somebody.
    """
    clean = without_controls(text)
    readable = prose(clean)
    edits = [*_silenced(clean, readable, name_of), *mended_emphasis(clean, readable)]
    parts, end = [], 0
    for start, stop, replacement in sorted(edits, key=lambda edit: edit[:2]):
        parts += [clean[end:start], replacement]
        end = stop
    return "".join([*parts, clean[end:]])


def settled(text: str) -> str:
    """Return the beginning of a text that still grows which `presented` will not change later."""
    kept = _UNSETTLED.sub("", text)
    return kept[: unsettled_emphasis(kept)]


def _silenced(text: str, readable: str, name_of: NameOf) -> Iterator[Edit]:
    names: dict[str, str] = {}
    for found in _PING.finditer(text):
        start, user = found.start(), found[1]
        if user and readable[start] != IN_CODE and (user in names or len(names) < MOST_NAMES):
            names[user] = names.get(user) or name_of(user)
        name = names.get(user, user) if readable[start] != IN_CODE else user
        if name != user:
            yield start, found.end(), f"@{_shown(name)}"
        else:
            yield start + 1, start + 1, ZERO_WIDTH_SPACE
    for found in _BARE.finditer(readable):
        yield found.end(), found.end(), ZERO_WIDTH_SPACE


def _shown(name: str) -> str:
    """Return a name that is neither formatted nor a mention of its own."""
    plain = _MARKS.sub(r"\\\1", " ".join(without_controls(name).split()))
    return _BARE.sub(f"@{ZERO_WIDTH_SPACE}", f"@{plain}")[1:]
