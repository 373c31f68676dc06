"""Secrets as people tell them: `das Passwort vom WLAN ist …`, a code, a table, a seed phrase."""

import re
from collections.abc import Iterator

from storage.model.redaction.languages import CODES, COPULAS, LOGINS, PASSWORDS
from storage.model.redaction.patterns import Pattern, Range, ValuePattern
from storage.model.redaction.values import (
    PROSE,
    harmless,
    is_path,
    looks_chosen,
    looks_random,
)

LONGEST_SENTENCE = 120
MOST_WORDS = 8
MOST_ROWS = 100

_TOLD = rf"(?i:(?:^|[^A-Za-z0-9])(?:{PASSWORDS}))"
_CODE = (
    rf"(?i:(?:^|[^A-Za-z0-9])(?:{CODES})(?:[ \t]?(?:code|number|nummer|番号|コード)?)[*_`]*"
    r"(?:[ \t](?:for|of|to|für|de|para|pour|per|del)(?:[ \t]\w{1,14}){1,3})?"
    r"[ \t]*(?:[:：=]|は|是|[는은]|→|->|[ \t](?:is|ist|lautet|est|es|é|è|was|jest"
    r"|je))?[ \t]*[*_`\[「]*)"
    r"(?P<code>\d(?:[ -]?\d){2,11}#?|[A-Z0-9]{1,4}-\d{3,8})(?:[^A-Za-z0-9.:,/-]|[.,](?:\s|$)|$)"
)
_CODE_FIRST = (
    r"(?i:(?:^|[\s*`:])(?P<code>(?:[A-Z]-)?\d{4,8}|\d{3}[ -]\d{3})[*`]*[ \t]+(?:is|ist|est|es"
    r"|é)[ \t]+"
    r"(?:your|the|my|ihr|dein|votre|tu|su|o seu)[ \t](?:[\w-]+[ \t]){0,3}?"
    r"(?:code|pin|otp|passcode|código)\b)"
)
_SEED = (
    r"(?i:(?:seed|mnemonic|recovery|wallet|backup|secret)[^\n]{0,30}?[\s:=\"'`>*])"
    r"(?P<words>(?:[a-z]{3,8}[ ,]+){11,23}[a-z]{3,8})(?:[^a-z]|$)"
)
_PHRASE = (
    rf"(?i:passphrase|пароль|passwort|password)[ \t](?:{COPULAS})[ \t](?P<phrase>"
    rf"(?:[a-z]+[ -]){{3,7}}[a-z]+)[.!]?(?:\n|$)"
)
_LOGIN = (
    rf"(?i:(?:^|[^A-Za-z])(?:{LOGINS})[ \t]*(?:[:：=→]|->|[ \t](?:is|are|sind|ist|son|sont))[ \t]*)"
    r"[\w.@+-]+[ \t]*(?:[/:|,]|→)[ \t]*(?P<login>[^\s\"'<>/]{5,})"
    r"|(?:^|[^A-Za-z])[A-Z_]*AUTH=[\w.@-]+:(?P<old>[^\s\"'@]{5,})"
)
_LOGIN_FIRST = (
    r"(?:^|[\s(])[\w.@+-]+[ \t]*[/:|][ \t]*(?P<login>[^\s\"'<>/]{5,})[ \t]"
    r"(?i:(?:are|is|sind|son|sont)[ \t](?:\w+[ \t]){0,2}(?:credentials|creds|login|zugangsdaten))"
)
_USER_AND_P = (
    r"(?i:(?:^|[\s(,])u(?:ser|sr)?[ \t]*[:=][ \t]*\S+[\s,;/]+p(?:w|wd"
    r"|ass)?[ \t]*[:=][ \t]*)(?P<login>\S{5,})"
)
_CHANGED = (
    r"(?i:password|passwort|token|secret|contraseña|senha)[^\n]{0,40}[ \t:](?P<old>\S{5,40})[ \t]*"
    r"(?:->|→|=>)[ \t]*(?P<login>\S{5,40})"
)
_PAIR = (
    rf"(?i:(?:^|\n)[ \t]*(?:{PASSWORDS}))[ \t]*[;,\t][ \t]*(?P<login>[^\s;,]{{5,}})[ \t]*(?:\n|$)"
)
_DOTTED = (
    rf"(?i:(?:{PASSWORDS}))[\"'*_)\]]*(?:[ \t]*[(\[][^()\[\]\n]{{1,30}}[)\]])?[ \t]*"
    rf"(?:\.{{3,40}}|::|~|/|🔑|🔐|[:=]?[ \t]*```\w*\n)[ \t]*(?P<login>\S{{5,}})|🔐[ \t]*"
    rf"(?P<old>\S{{5,}})"
)
_HEADING = (
    rf"(?im:^(?P<heading>(?:[^\n|,;\t]*[|,;\t]){{0,12}}[ \t*\"']*(?:[a-z]{{1,12}}[_ ])?"
    rf"(?:{PASSWORDS}|(?:api|access|secret)[_ -]?key|token)[ \t*\"']*(?:[|,;\t][^\n]{{0,300}})?)\n)"
)
_NEXT_LINE = (
    rf"(?im:(?:^|[ \t*_])(?:{PASSWORDS})[*_]*[ \t]*[:：][*_]*[ \t]*\n"
    rf"(?P<login>[^\s:<>(){{}}\[\]-]{{6,40}})$)"
)

_told, _code, _code_first, _seed = map(Pattern, (_TOLD, _CODE, _CODE_FIRST, _SEED))
_phrase, _heading, _next_line = map(Pattern, (_PHRASE, _HEADING, _NEXT_LINE))
_logins = [Pattern(each) for each in (_LOGIN, _LOGIN_FIRST, _USER_AND_P, _CHANGED, _PAIR, _DOTTED)]
_COPULA = ValuePattern(rf"(?i)(?:{COPULAS})|.*[:：=→]|->|to|auf|zu|на")
_STOP = ValuePattern(r".*[()\[\]{}<>|;\"\\]|.*://|[\w.+-]+@[\w-]+\.\w+|--?\w")
_VERSIONED = ValuePattern(r"[A-Za-z]+v?\d*(?:\.\d+)+|[A-Z]+-\d+|\d+[a-z]+")
_ASCII = ValuePattern(r"[!-~]{4,}")
_CELLS = ValuePattern(r"[|,;\t]")

HINTS = (
    rf"(?i:(?:{PASSWORDS})[^A-Za-z0-9])",
    _CODE.replace("(?P<code>", "(?:"),
    _CODE_FIRST.replace("(?P<code>", "(?:"),
    rf"(?i:(?:{LOGINS})[ \t]*(?:[:：=→]|->|[ \t](?:is|are|sind|ist|son"
    rf"|sont))[ \t]*[\w.@+-]+[ \t]*[/:|,→])|🔐|(?:are|is) (?:the |my )?cred"
    r"|AUTH=|(?i:u(?:ser|sr)?[ \t]*[:=][ \t]*\S+[\s,;/]+p(?:w|wd|ass)?[ \t]*[:=])",
    r"(?i:(?:seed|mnemonic|wallet|recovery|backup)[^\n]{0,20}(?:words|phrase|:|=))",
    r"(?i:(?:token|key|secret)[*\" ]*[|,;\t\n])",
)


def told(text: str) -> Iterator[Range]:
    """Yield values that a sentence about a password names, in any of the languages."""
    covered = 0
    for found in _told.finditer(text):
        at = max(found[""][1], covered)
        if text[at : at + 1] in "_-" and text[at : at + 1]:
            continue
        line = re.split(r"\n|</|\"", text[at : at + LONGEST_SENTENCE])[0]
        before = ""
        for word in list(re.finditer(r"\S+", line))[:MOST_WORDS]:
            if secret := _told_value(word[0], before):
                start = at + word.start() + word[0].index(secret)
                covered = start + len(secret)
                yield start, covered
            elif _STOP.match(word[0]) or word[0][-1] in ".!?" or any(map(str.isdigit, word[0])):
                break
            before = word[0]


def _told_value(word: str, before: str) -> str:
    """Return the secret in `word` of a sentence, or nothing."""
    if _STOP.match(word):
        return ""
    bare = word.strip("*_`'\"“”„‘’«»「」『』,.…")
    inside = _ASCII.search(bare) if not bare.isascii() else None
    value = inside[0] if inside else bare
    if len(value) < 5 or not looks_chosen(value) or harmless(value) or _VERSIONED.fullmatch(value):
        return ""
    joined = inside is not None or (before != "" and _COPULA.fullmatch(before) is not None)
    return value if joined or _is_strong(value) else ""


def _is_strong(value: str) -> bool:
    digits = any(map(str.isdigit, value))
    mixed = value.lower() != value != value.upper() and value[1:] != value[1:].lower()
    return digits and (mixed or any(sign in value for sign in "!@#$%^&*?_"))


def codes(text: str) -> Iterator[Range]:
    """Yield the digits of PINs and of codes that are used once."""
    for pattern in (_code, _code_first):
        for found in pattern.finditer(text):
            yield found["code"]


def phrases(text: str) -> Iterator[Range]:
    """Yield the words of seed phrases, and of passphrases."""
    for pattern, group in ((_seed, "words"), (_phrase, "phrase")):
        for found in pattern.finditer(text):
            start, end = found[group]
            if not any(word in PROSE for word in re.split(r"[ ,-]+", text[start:end].lower())):
                yield start, end


def logins(text: str) -> Iterator[Range]:
    """Yield passwords that stand beside a user, the old password or nothing but their name."""
    for pattern in _logins:
        for found in pattern.finditer(text):
            for group in ("old", "login"):
                if group in found:
                    start, end = found[group]
                    value = text[start:end]
                    if looks_chosen(value) and not (harmless(value) or _STOP.match(value)):
                        yield start, start + len(value.rstrip("*_`,;|"))
    for found in _next_line.finditer(text):
        start, end = found["login"]
        if text[start:end].lower() not in PROSE and not harmless(text[start:end]):
            yield start, end


def tables(text: str) -> Iterator[Range]:
    """Yield the cells below the heading of a password, in Markdown, CSV and TSV."""
    for found in _heading.finditer(text):
        start, end = found["heading"]
        marks = _CELLS.search(text[start:end])
        if marks is None:
            continue
        mark = marks[0]
        columns = [cell.strip(" \t*\"'\r") for cell in text[start:end].split(mark)]
        secret = {i for i, name in enumerate(columns) if _is_column(name)}
        at = end + 1
        for _ in range(MOST_ROWS):
            stop = text.find("\n", at)
            row = text[at : stop if stop >= 0 else len(text)]
            cells = row.split(mark)
            if len(cells) != len(columns):
                break
            for i in secret:
                value = cells[i].strip(" \t*\"'`\r")
                if value and (looks_chosen(value) or looks_random(value)) and not is_path(value):
                    offset = at + sum(len(cell) + 1 for cell in cells[:i])
                    first = offset + cells[i].index(value)
                    yield first, first + len(value)
            if stop < 0:
                break
            at = stop + 1


_column = Pattern(rf"(?i)^(?:[a-z]+[_ ])?(?:{PASSWORDS}|(?:api|access|secret)[_ -]?key|token)$")


def _is_column(name: str) -> bool:
    return _column.in_text(name)


FINDERS = (told, codes, phrases, logins, tables)
