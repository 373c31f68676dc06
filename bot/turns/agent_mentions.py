"""Find the agents that a message names in its text; Slack knows no agents that one could mention.

`@codex` counts wherever it is said; `codex:` only at the beginning of a message. Code, quotations,
links and parts of other words name nobody, and neither does a name that is not in the roster.

Names are ASCII. So a Korean, Japanese or Chinese ending that follows without a space is not part of
them (`@codex야`, `@claudeさん`). Full-width letters and signs mean the same as ASCII ones. Other
languages put an apostrophe before an ending: Turkish `@codex'e`.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

NOT_SAID = re.compile(
    r"```.*?```"  # A block of code, on one line or more.
    r"|`[^`\n]+`"
    r"|^[ \t]*(?:&gt;|>)[^\n]*"  # A quoted line, as Slack stores it.
    r"|\"[^\"\n]*\"|“[^“”\n]*”|„[^“„”\n]*[“”]"
    r"|<[^<>\n]*>",  # Slack's own mentions and links.
    re.DOTALL | re.MULTILINE,
)
ITALICS = r"((?<!\w)_+|_++(?![\w@]))|_+"
"""Slack's marks around words; group 1 is missing if the underscores are within a word.

Each run is looked at once, as long as it may be: `_+` alone would be tried at each of its signs.
"""

BLANK = "\ufffc"

# Letters of scripts that put no space between words, or none before particles: Thai, Lao, Burmese,
# Khmer, Hangul, Kana and Han.
UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f"
    r"\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
W = rf"[^\W{UNSPACED}]"
"""A character of a word that a name may be part of."""

VOCATIVE = r"(?:아|야|님아?|\s?씨|쌤|선생님|선배님?|さん|さま|様|くん|君|ちゃん|先生|老师|同学)"
"""Words behind the name of somebody to whom one speaks."""

ENDING = r"['’](?!(?:s|ll|d|ve|re|m|t)\b)[^\W\d_]{1,5}\b"
"""An ending behind an apostrophe, but none of English, which makes a statement of the name."""

AND = r"(?:\s*(?:,|&amp;|\+|[和与跟とや및와과]|하고|이?랑|\b(?:and|und|et|y|e|och|ve|ja)\b)\s*|\s+)"
JOINED = r"(?:&amp;|[&/|;])"
"""Signs between two mentions that mean a comma; a path has no second `@`."""

COLON = rf"\s*(?::(?!/|{W})|：)"
PARTICLE = r"[:'’\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\uac00-\ud7ff]"
"""The first character of an ending that makes a name a part of the sentence, also in Finnish
(`@codex:lle`). Han is none: in Chinese the next word begins there."""

SAME = {"、": ",", "，": ",", "،": ",", "：": "：", "ʼ": "'", "İ": "I", "ı": "i"}
"""Characters that mean the same as ASCII's; a full-width colon may have a word right behind it.

Turkish writes GEMİNİ, which `re.IGNORECASE` takes for gemini and `casefold` does not.
"""

BEFORE_TAG = rf"(?<!{W})(?<![@.+/:-])"
TAG = re.compile(rf"{BEFORE_TAG}@([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?![\w@/])", re.ASCII)
EVERYBODY = frozenset(("channel", "everyone", "here"))


@dataclass(frozen=True, slots=True)
class Miss:
    """A name that no agent has, and the agent whose name is close to it."""

    said: str
    agent: str


@dataclass(frozen=True, slots=True)
class Addressed:
    """The agents that are named, each once, in the order of the text, and the prompt for them.

    `misses` are the names that are close to an agent's.
    """

    agents: tuple[str, ...]
    prompt: str
    misses: tuple[Miss, ...] = ()


def addressed(text: str, agents: Collection[str]) -> Addressed:
    """Return the agents that *text* names, which comes without the mention of the bot.

    Names at the beginning are not part of the prompt; names within a sentence stay in it.
    """
    if not agents:
        return Addressed((), text.strip())
    said = NOT_SAID.sub(lambda match: BLANK * len(match.group()), "".join(map(_plain, text)))
    said = _without_italics(said, agents)
    said = _with_commas(said, agents)
    start = _salutation(said, agents)
    named = dict.fromkeys([*_names(said[:start], agents), *_tagged(said[start:], agents)])
    return Addressed(tuple(named), text[start:].strip(), tuple(_misses(said, agents)))


def without_address(text: str, bot_user: str) -> str:
    """Return a message's text without mentions of the bot.

    At the beginning the words and signs that belong to the mention go, too: `@tracebot님, `.
    """
    mention = rf"([*_~]?)<@{re.escape(bot_user)}(?:\|[^<>]*)?>\1"
    after = r"\s*(?:[,，、:：;；。！～](?!/|[\w+-]+:))?"
    text = re.sub(rf"^\s*{mention}(?:{VOCATIVE}(?!\w))?{after}", "", text)
    return re.sub(mention, "", text).strip()


def missed_message(misses: Sequence[Miss], asked: Collection[str]) -> str:
    """Return a question about names that are close to an agent's, and who was asked instead."""
    names = " or ".join(miss.said for miss in misses)
    meant = [f"`@{agent}`" for agent in dict.fromkeys(miss.agent for miss in misses)]
    others = [each for each in meant if each.strip("`@") not in asked]
    hint = f" Write {' or '.join(others)} to ask that one." if others else ""
    return f"Is there an agent {names}? I asked {' and '.join(asked)}.{hint}"


def _plain(character: str) -> str:
    """Return the one ASCII character that means the same, if there is one."""
    if character.isascii():
        return character
    if unicodedata.category(character) == "Cf":  # Without a width, such as what is copied along.
        return " "
    same = SAME.get(character) or unicodedata.normalize("NFKC", character)
    return same if len(same) == 1 else character


def _salutation(said: str, agents: Collection[str]) -> int:
    """Return the index where the prompt begins: after `@codex`, `codex:`, `@claude and gemini:`."""
    name = rf"{_alternatives(agents)}(?:{VOCATIVE}(?!\w))?"
    listed = rf"\s*@?{name}(?:{AND}@?{name})*{COLON}"
    tagged = rf"\s*@{name}(?:{AND}@{name})*(?:{COLON}|\s*[,!~]+|(?!{PARTICLE}))"
    match = re.match(listed, said, re.IGNORECASE) or re.match(tagged, said, re.IGNORECASE)
    return match.end() if match else 0


def _without_italics(said: str, agents: Collection[str]) -> str:
    """Take out underscores around words; the name of an agent may end with one."""

    def blank(match: re.Match[str]) -> str:
        return BLANK * len(match.group()) if match.group(1) else match.group()

    return re.sub(rf"{_any_of(agents)}|{ITALICS}", blank, said, flags=re.IGNORECASE | re.ASCII)


def _with_commas(said: str, agents: Collection[str]) -> str:
    """Put a comma in place of other signs between mentions of agents: `@claude/@codex`."""
    name = rf"@(?:{_any_of(agents)})"
    several = rf"{BEFORE_TAG}{name}(?:\s*{JOINED}\s*{name})+(?!{W}|[@/-]|\.{W})"

    def commas(match: re.Match[str]) -> str:
        # As long as before, because the prompt is cut out of the text itself.
        return re.sub(JOINED, lambda sign: ",".ljust(len(sign.group())), match.group())

    return re.sub(several, commas, said, flags=re.IGNORECASE)


def _names(said: str, agents: Collection[str]) -> Iterator[str]:
    return _found(rf"(?<!{W})(?<![.-])@?({_alternatives(agents)})", said, agents)


def _tagged(said: str, agents: Collection[str]) -> Iterator[str]:
    """Find `@codex`, unless the `@` belongs to an address, a path or a version."""
    return _found(rf"{BEFORE_TAG}@({_alternatives(agents)})", said, agents)


def _alternatives(agents: Collection[str]) -> str:
    """Match any of the names, the longest first; no beginning of a longer word, nor `codex's`."""
    return rf"(?:{_any_of(agents)})(?!{W}|[@/-]|\.{W})(?:(?={ENDING})|(?!['’]\w))"


def _any_of(agents: Collection[str]) -> str:
    return "|".join(map(re.escape, sorted(agents, key=len, reverse=True)))


def _found(pattern: str, said: str, agents: Collection[str]) -> Iterator[str]:
    folded = {name.casefold(): name for name in agents}
    for match in re.finditer(pattern, said, re.IGNORECASE):
        word = match.group(1)
        yield word if word in agents else folded[word.casefold()]


def _misses(said: str, agents: Collection[str]) -> Iterator[Miss]:
    """Find names with an `@` that only nearly are an agent's."""
    known = {name.casefold() for name in agents} | EVERYBODY
    for word in dict.fromkeys(TAG.findall(said)):
        if word.casefold() not in known:
            near = sorted(
                (_distance(word.casefold(), name.casefold()), name)
                for name in agents
                if abs(len(word) - len(name)) <= 2
            )
            if near and near[0][0] <= _slips(word, near[0][1]):
                yield Miss(word, near[0][1])


def _slips(word: str, name: str) -> int:
    """Return how many letters may be wrong: short names are close to any short word."""
    shorter = min(len(word), len(name))
    if word[0].casefold() != name[0].casefold():
        return 1 if shorter >= 5 else 0  # Few people miss the first letter.
    if shorter <= 3:
        return 0
    return 1 if shorter <= 5 else 2


def _distance(one: str, other: str) -> int:
    """Return how many letters differ: added, left out, replaced, or swapped with the next."""
    older: list[int] = []
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and (a, one[i - 2]) == (other[j - 2], b):
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
