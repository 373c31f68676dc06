"""Find the agents that a message names in its text; Slack knows no agents that one could mention.

`@codex` counts wherever it is said; `codex:` only at the beginning of a message. Code, quotations,
links and parts of other words name nobody, and neither does a name that is not in the roster.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

NOT_SAID = re.compile(
    r"```.*?```"  # A block of code, on one line or more.
    r"|`[^`\n]+`"
    r"|^[ \t]*(?:&gt;|>)[^\n]*"  # A quoted line, as Slack stores it.
    r"|\"[^\"\n]*\"|“[^”\n]*”|„[^“”\n]*[“”]"
    r"|<[^<>\n]*>",  # Slack's own mentions and links.
    re.DOTALL | re.MULTILINE,
)
BLANK = "\ufffc"


@dataclass(frozen=True, slots=True)
class Addressed:
    """The agents that are named, each once, in the order of the text, and the prompt for them."""

    agents: tuple[str, ...]
    prompt: str


def addressed(text: str, agents: Collection[str]) -> Addressed:
    """Return the agents that *text* names, which comes without the mention of the bot.

    Names at the beginning are not part of the prompt; names within a sentence stay in it.
    """
    if not agents:
        return Addressed((), text.strip())
    said = NOT_SAID.sub(lambda match: BLANK * len(match.group()), text)
    start = _salutation(said, agents)
    named = dict.fromkeys([*_names(said[:start], agents), *_tagged(said[start:], agents)])
    return Addressed(tuple(named), text[start:].strip())


def _salutation(said: str, agents: Collection[str]) -> int:
    """Return the index where the prompt begins: after `@codex`, `codex:`, `@claude and gemini:`."""
    name = _alternatives(agents)
    between = r"(?:\s*(?:,|&amp;|\+|\band\b)\s*|\s+)"
    listed = rf"\s*@?{name}(?:{between}@?{name})*\s*:(?!/|\w)"
    tagged = rf"\s*@{name}(?:{between}@{name})*\s*[:,]?"
    match = re.match(listed, said, re.IGNORECASE) or re.match(tagged, said, re.IGNORECASE)
    return match.end() if match else 0


def _names(said: str, agents: Collection[str]) -> Iterator[str]:
    return _found(rf"(?<![\w.-])@?({_alternatives(agents)})", said, agents)


def _tagged(said: str, agents: Collection[str]) -> Iterator[str]:
    """Find `@codex`, unless the `@` belongs to an address, a path or a version."""
    return _found(rf"(?<![\w@.+/:-])@({_alternatives(agents)})", said, agents)


def _alternatives(agents: Collection[str]) -> str:
    """Match any of the names, the longest first; no beginning of a longer word, nor `codex's`."""
    names = "|".join(re.escape(name) for name in sorted(agents, key=len, reverse=True))
    return rf"(?:{names})(?![\w@/-]|[.'’]\w)"


def _found(pattern: str, said: str, agents: Collection[str]) -> Iterator[str]:
    folded = {name.casefold(): name for name in agents}
    for match in re.finditer(pattern, said, re.IGNORECASE):
        word = match.group(1)
        yield word if word in agents else folded[word.casefold()]
