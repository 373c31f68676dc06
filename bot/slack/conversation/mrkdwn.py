"""Turn a text as Slack stores it into the words that people see.

Slack escapes `&`, `<` and `>` in what people write, and writes mentions and links between `<` and
`>`. Both are decoded in one pass, because a second one would change what people wrote: `&amp;lt;`
is the text `&lt;`.
"""

import re

from bot.slack.conversation.names import Names

TOKEN = re.compile(r"<([^<>\n]+)>|&(amp|lt|gt);")
ENTITY = re.compile(r"&(amp|lt|gt);")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">"}
LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
USER = re.compile(r"@([UW][A-Z0-9]+)")
CHANNEL = re.compile(r"#([CDG][A-Z0-9]+)")
EVERYBODY = frozenset(("here", "channel", "everyone"))


def readable(text: str, names: Names) -> str:
    """Return *text* with entities decoded, mentions by name, and links with their addresses."""

    def replaced(match: re.Match[str]) -> str:
        entity = match.group(2)
        return ENTITIES[entity] if entity else _control(match.group(1), names)

    return TOKEN.sub(replaced, text)


def unescaped(text: str) -> str:
    """Return *text* with entities decoded, and nothing else."""
    return ENTITY.sub(lambda match: ENTITIES[match.group(1)], text)


def link(address: str, label: str) -> str:
    """Return a link as text: its label, and its address if the label does not say it."""
    if not label or not address or label == address:
        return re.sub(r"^(?:mailto|tel):", "", address or label)
    # What somebody typed, such as notes.py, became a link to http://notes.py.
    bare = re.sub(r"^(?:http://|mailto:|tel:)", "", address)
    return label if label == bare else f"{label} ({address})"


def _control(body: str, names: Names) -> str:
    """Return what people see of `<body>`; Slack knows no others than those below."""
    code, _, label = body.partition("|")
    label = unescaped(label)
    if user := USER.fullmatch(code):
        return f"@{_or_label(names.user(user[1]), user[1], label)}"
    if channel := CHANNEL.fullmatch(code):
        # The label first: Slack leaves it out for channels that the reader may not know.
        return f"#{label or names.channel(channel[1])}"
    if code.startswith("!"):
        return _special(code[1:], label, names) or f"<{unescaped(body)}>"
    if LINK.fullmatch(code):
        return link(unescaped(code), label)
    return f"<{unescaped(body)}>"


def _special(code: str, label: str, names: Names) -> str:
    if code in EVERYBODY:
        return f"@{code}"
    kind, _, rest = code.partition("^")
    if kind == "subteam":
        return f"@{_or_label(names.group(rest), rest, label.removeprefix('@'))}"
    return label


def _or_label(name: str, id_: str, label: str) -> str:
    """Return the name, or the label of the mention if the name is not known."""
    return label if name == id_ and label else name
