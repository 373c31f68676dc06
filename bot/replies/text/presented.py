"""Make an agent's Markdown presentable: no control characters, no pings, emphasis that shows."""

import re
from collections.abc import Callable, Iterator

from bot.replies.text.emphasis import ZERO_WIDTH_SPACE, Edit, mended_emphasis, unsettled_emphasis
from bot.replies.text.markdown import IN_CODE, prose
from bot.replies.text.tables import OPEN_ROW, with_whole_cells
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

_BARE = re.compile(r"(?<![A-Za-z0-9@])(?<!\w_)@(?=(?i:channel|here|everyone)(?![A-Za-z0-9]|_\w))")
"""Slack makes no mention of it by default, and does not promise to leave it alone for ever."""

_MENTION = re.compile(
    rf"{_PING.pattern}|(?P<address>https?://[^\s<>]+|(?<=\]\()[^\s<>()]+)|(?P<bare>{_BARE.pattern})"
)
"""Text that may notify somebody, and addresses, which a zero-width space would break."""

_LINK = re.compile(r"<((?:https?://|mailto:)[^\s<>|]{1,2000})\|([^<>|\n]{1,500})>")
"""A link in Slack's own form, which many models write. Markdown takes all of it for an address, and
a table takes the `|` for the end of a cell."""

_URL = re.compile(
    r"(?<!\]\()(?<![A-Za-z0-9<=\"'/])https?://(?=[\w[])(?:(?!https?://)[^\s<>|`\\]){1,2000}"
)
_URL_END = re.compile(r"\*\*|~~|[。，、．！？：；）」』】》]")
_OPENING = {")": "(", "]": "[", "）": "（", "」": "「", "』": "『", "】": "【", "》": "《"}
_TRAILING = frozenset(".,:;!?'\"*_~")
"""Signs at the end of an address that belong to the sentence. Slack takes an asterisk along."""

_UNSETTLED = re.compile(
    r"(?:\r|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,2000}\x1b?|[ -/]*)"
    r"|<\s*(?:[!@][^<>\n]{0,200})?|<[a-z]{1,6}|<(?:https?|mailto):[^<>\n]{0,2500}|@\w{0,9}"
    r"|(?<![A-Za-z0-9])h(?:t(?:t(?:p(?:s?(?::(?:/(?:/[^\s<>|`\\]{0,2500})?)?)?)?)?)?)?)\Z"
)
"""The end of a text that more text may turn into something else."""

_MARKS = re.compile(r"([\\`*_~\[\]<>|])")


def nobody(user: str) -> str:
    """Return the id of a user as their name, where no name can be looked up."""
    return user


def presented(text: str, name_of: NameOf = nobody) -> str:
    """Return Markdown for Slack that says the same, notifies nobody and hides nothing.

    A mention of a known person becomes their name; any other is broken by a zero-width space, which
    does not show. Code is changed only if it would notify somebody.
    """
    clean = _with_ended_urls(with_whole_cells(_with_markdown_links(without_controls(text))))
    readable = prose(clean)
    edits = [*_silenced(clean, readable, name_of), *mended_emphasis(clean, readable)]
    parts, end = [], 0
    for start, stop, replacement in sorted(edits, key=lambda edit: edit[:2]):
        parts += [clean[end:start], replacement]
        end = stop
    return "".join([*parts, clean[end:]])


def settled(text: str) -> str:
    """Return the beginning of a text that still grows which `presented` will not change later."""
    kept = OPEN_ROW.sub("", _UNSETTLED.sub("", text))
    return kept[: unsettled_emphasis(kept)]


def _with_markdown_links(text: str) -> str:
    """Return *text* with links in Slack's own form, outside code, in that of Markdown."""
    if _LINK.search(text) is None:
        return text
    readable = prose(text)

    def link(found: re.Match[str]) -> str:
        if readable[found.start()] == IN_CODE:
            return found[0]
        label = re.sub(r"([][])", r"\\\1", found[2])
        address = found[1].replace("(", "%28").replace(")", "%29")
        return f"[{label}]({address})"

    return _LINK.sub(link, text)


def _with_ended_urls(text: str) -> str:
    """Return *text* with bare addresses, outside code, that end where they are meant to.

    Slack takes what follows without a space for a part of the address, such as the end of the
    emphasis in `**https://e.example**`: the link leads nowhere, and the asterisks are shown.
    """
    open_ended = [found for found in _URL.finditer(text) if _is_open_ended(found[0])]
    readable = prose(text) if open_ended else ""
    for found in reversed(open_ended):
        start, end = found.start(), found.start() + len(_trimmed(found[0]))
        if readable[start] != IN_CODE:
            text = f"{text[:start]}<{text[start:end]}>{text[end:]}"
    return text


def _is_open_ended(run: str) -> bool:
    """Return False if Slack sees the end of the address at the beginning of a *run*."""
    rest = run[len(_trimmed(run)) :]
    is_label = "](" in rest
    return not is_label and (not rest.isascii() or bool(set(rest) & set("*_~")))


def _trimmed(run: str) -> str:
    """Return the address at the beginning of a *run* of characters without a space between."""
    ends = (found.start() for found in _URL_END.finditer(run) if _closes(run[: found.end()]))
    url = run[: next(ends, len(run))]
    while url[-1] in _TRAILING or (url[-1] in ")]" and _closes(url)):
        url = url[:-1]
    return url


def _closes(text: str) -> bool:
    """Return False if *text* ends with a bracket that was opened in it."""
    last = text[-1]
    return last not in _OPENING or text.count(last) > text.count(_OPENING[last])


def _silenced(text: str, readable: str, name_of: NameOf) -> Iterator[Edit]:
    names: dict[str, str] = {}
    for found in _MENTION.finditer(text):
        start, end, user = found.start(), found.end(), found[1]
        in_code = readable[start] == IN_CODE
        if user and not in_code and (user in names or len(names) < MOST_NAMES):
            names[user] = names.get(user) or name_of(user)
            if names[user] != user:
                yield start, end, f"@{_shown(names[user])}"
                continue
        if found["bare"]:
            if not in_code:
                yield end, end, ZERO_WIDTH_SPACE
            continue
        if not found["address"]:
            yield start + 1, start + 1, ZERO_WIDTH_SPACE
        if not in_code:
            mark = "%40" if found["address"] else f"@{ZERO_WIDTH_SPACE}"
            yield from ((*bare.span(), mark) for bare in _BARE.finditer(text, start, end))


def _shown(name: str) -> str:
    """Return a name that is neither formatted nor a mention of its own."""
    plain = _MARKS.sub(r"\\\1", " ".join(without_controls(name).split()))
    return _BARE.sub(f"@{ZERO_WIDTH_SPACE}", f"@{plain}")[1:]
