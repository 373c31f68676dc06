"""Secrets that are recognised by their name: `password=…`, `Authorization: …`, `the pin is …`."""

from collections.abc import Callable, Iterator
from functools import lru_cache

from storage.model.redaction import name_patterns
from storage.model.redaction.extent import line_at, value_at, whole
from storage.model.redaction.mentions import (
    LONGEST_PREFIX,
    NEXT_WORD,
    SPOKEN,
    is_about,
    is_told,
    names_no_secret,
    names_something_else,
    refers,
)
from storage.model.redaction.name_patterns import (
    AS_PASSWORD,
    CONTINUED,
    HEADER,
    KEY,
    NAMED,
    PASSWORD,
    QUERY,
    RANDOM,
    SCHEME,
    SPACED,
    SUFFIX,
    WEAK,
)
from storage.model.redaction.patterns import Finders, Found, Pattern, Range, ValuePattern
from storage.model.redaction.places import names_a_place
from storage.model.redaction.values import (
    harmless,
    is_basic,
    is_class,
    is_code,
    is_prose,
    is_uuid,
    is_word,
    looks_chosen,
    looks_random,
    within_path,
)

_named, _spaced = Pattern(NAMED, repeat=True), Pattern(SPACED, repeat=True)
_random, _scheme, _query = Pattern(RANDOM), Pattern(SCHEME), Pattern(QUERY)
_as_password, _continued = Pattern(AS_PASSWORD), Pattern(CONTINUED)

_NEEDS_BOUNDARY = ValuePattern(
    r"(?i)pass|pw|psw|pwd|passw|psk|senha|parola|token|creds?|jwt|bearer|dsn|secret|has[lł][oaeu]"
    r"|clave|[sş]ifre|hesl[oaeu]|gesl[oa]|passord"
    r"|mdp|parol[aăe]?|sandi|šifra|geheim|ключ|токен|гасло|шифра|รหัส"
)
_SCHEME_BEFORE = ValuePattern(
    r"(?i)(?:bearer|basic|negotiate|ntlm|dpop|token|apikey|digest|bot|ssws|splunk|geniekey|key"
    r"|oauth)[ \t]+(?=\S)"
)
_ANNOTATED = ValuePattern(r"[ \t]*&?[A-Za-z_][\w.\[\]| <>']{0,40}?[ \t]*=[ \t]*(?=[bfr]?[\"'])")
_LITERAL = ValuePattern(r"[\w.:$]+\([ \t]*(?:[bfru]{0,2})([\"'])([^\"']{4,})\1")
_CONVERSION = ValuePattern(r"(?:^|[.:])(?:String|Some|Just|from|of|str|bytes|strdup|new)$")
_MANY_WORDS = ValuePattern(r"(?:[a-z]+[ \t,]+){2,23}[a-z]+(?=[\s.\"'`]|$)")
_OPTION = ValuePattern(r"(?:^|\s)--?[\w-]*$")
_HARMLESS_NAME = ValuePattern(
    r"(?:^|[^A-Za-z]|[a-z](?=[A-Z]))(?i:next|page|sync|continuation|pagination|eos|bos|pad|unk|sep|mask|cls|stop|max|min|end|"
    r"start|per|special|added|first|last|prompt|image|fill|input|output|public|publishable|pub|"
    r"primary|foreign|sort|partition|cache|unique)[_\-. ]?\Z"
)
_PUBLIC_KEY = ValuePattern(r"(?i)[^a-z0-9]?(?:[a-z0-9]+[_\-.])*(?:public|publishable)[_\-.]key\b")
_BLOCK = ValuePattern(r"(?:\)+|[ \t]in[ \t][\w.()]+)[ \t]*:[ \t]*\r?\n")
_PARAMETER = ValuePattern(r"[a-z]+_[a-z]+=\d")
_COMMENT = ValuePattern(r"[ \t]+#[ \t]")
_PREFERENCE = ValuePattern(
    r"(?i)(?:(?:theme|lang(?:uage)?|locale|consent|currency|tz|timezone|country|path|domain|expires"
    r"|max-age|samesite|secure|httponly)(?:=[\w/.-]{0,20})?(?:;[ ]?|$))+"
)

_whole_name = Pattern(rf"(?i)(?P<name>{PASSWORD}|{HEADER}|{KEY}){SUFFIX}$")
_weak_name = Pattern(rf"(?i)(?:^|[^A-Za-z0-9])(?:{WEAK}){SUFFIX}$")
_random_value = ValuePattern(r"[A-Za-z0-9+/_=.~%-]{12,}")


@lru_cache(maxsize=4_096)
def is_secret_name(name: str) -> bool:
    """Return whether a value of this name is a secret, whatever it looks like."""
    return any(
        _begins_a_name(name, *found["name"]) and not _HARMLESS_NAME.search(name[: found["name"][0]])
        for found in _whole_name.finditer(name)
    )


def names_a_secret(name: str, value: str) -> bool:
    """Return True if `value` is a secret because of its name, such as the one of an attribute."""
    if is_secret_name(name):
        return bool(value) and not harmless(value, numbers=False)
    if any(True for _ in continued(f"{name}={value}")):
        return True
    weak = _random_value.fullmatch(value) is not None and _weak_name.in_text(name)
    return weak and looks_random(value)


def named(text: str) -> Iterator[Range]:
    """Yield the values that a sign joins to secret names: `password = …`, `"token": "…"`."""
    return _values(text, _named, _assigned)


def spaced(text: str) -> Iterator[Range]:
    """Yield the values that follow secret names after a space: `--password …`, `password …`."""
    return _values(text, _spaced, _after_space)


def random(text: str) -> Iterator[Range]:
    """Yield values of names such as `key`, and parameters of URLs, that look random."""
    for group, pattern, secret in (
        ("random", _random, looks_random),
        ("query", _query, lambda value: looks_random(value, at_least=8)),
        ("chosen", _as_password, looks_chosen),
    ):
        for found in pattern.finditer(text):
            start, end = found[group]
            is_public = group == "random" and _PUBLIC_KEY.match(text, found[""][0])
            if secret(text[start:end]) and not (harmless(text[start:end]) or is_public):
                yield start, end


def continued(text: str) -> Iterator[Range]:
    """Yield values that look like secrets, if their names go on after the secret's word."""
    for found in _continued.finditer(text):
        start, end = found["continued"]
        value = text[start:end].rstrip(",;)}]")
        about = is_about(text[slice(*found["rest"])]) or _HARMLESS_NAME.search(
            text[max(found["name"][0] - LONGEST_PREFIX, 0) : found["name"][0]]
        )
        made = looks_chosen(value) or (looks_random(value, at_least=12) and not is_code(value))
        if made and not about and _begins_a_name(text, *found["name"]) and not harmless(value):
            yield start, start + len(value)


def _values(
    text: str, pattern: Pattern, values: Callable[[str, Found, str], Iterator[Range]]
) -> Iterator[Range]:
    hidden = 0
    for found in pattern.finditer(text):
        if found[""][0] >= hidden and (group := _group(text, found)):
            for start, end in values(text, found, group):
                _, hidden = whole(text, start, end)
                yield start, hidden


def after_scheme(text: str) -> Iterator[Range]:
    """Yield what is sent after `Bearer` and `Basic`, with or without the header's name."""
    for found in _scheme.finditer(text):
        start, end = found["sent"]
        sent = text[start:end]
        if text[slice(*found["scheme"])].lower() == "basic":
            secret = is_basic(sent)
        else:
            other = _PARAMETER.match(sent) is not None  # token_type=bearer expires_in=3600
            secret = not other and (looks_random(sent, at_least=10) or looks_chosen(sent))
        if secret and not harmless(sent):
            yield start, end


def _group(text: str, found: Found) -> str | None:
    """Return of which group the name is, None if it only ends like a secret's name."""
    group = next(name for name in ("password", "header", "key") if name in found)
    start, end = found[group]
    before = text[max(start - LONGEST_PREFIX, 0) : start]
    if before.endswith("[redacted:") or not _begins_a_name(text, start, end):
        return None
    if group == "key" and _HARMLESS_NAME.search(before):
        return None
    return None if names_no_secret(text, start, end) else group


def _begins_a_name(text: str, start: int, end: int) -> bool:
    """Return False if the letters before are of the same word, as in `compass` and `nonsecret`."""
    name = text[start:end]
    if start == 0 or not text[start - 1].isalpha() or not _NEEDS_BOUNDARY.fullmatch(name):
        return True
    before = text[start - 1]
    return (
        (before.islower() and name[0].isupper())  # dbPassword
        or (before.isupper() and name.isupper())  # PGPASSWORD
        or name.lower() == "token"  # authtoken
    )


def _assigned(text: str, found: Found, group: str) -> Iterator[Range]:
    """Yield the value in `name = value` and its like."""
    at = found[""][1]
    name = found[group]
    sign = text[slice(*found["sign"])].strip(" \t")
    if group == "header":
        yield from _header(text, found)
        return
    if sign == "=" and text[slice(*found[group])].isupper():
        group = "password"  # A variable of the environment is no code: any word may be its value.
    if annotated := _ANNOTATED.match(text, at):
        at = annotated.end()
    if sign[-1:] in ("'", '"') and "," in sign:  # ("password", "hunter2")
        at = text.rfind(sign[-1], 0, at)
    start, end, quote = value_at(text, at)
    if scheme := _SCHEME_BEFORE.match(text, start):
        start, end, _ = value_at(text, scheme.end()) if not quote else (scheme.end(), end, quote)
    value = text[start:end]
    kept = (
        not value
        or _begins_a_block(text[slice(*found["sign"])])
        or names_something_else(text, *name, value)
        or refers(text, name[0], start, value)
        or is_told(text, name, text[slice(*found["sign"])], (start, end))
        or _is_named_harmless(text, start, end, group, sign, quote)
    )
    if kept:
        yield from _in_call(text, start)
        return
    if group == "password" and not quote and (words := _MANY_WORDS.match(text, start)):
        end = max(end, words.end())
    yield start, end


def _begins_a_block(sign: str) -> bool:
    """Return True for `def f(token):` and `for cookie in jar:`, which a line of code follows."""
    return _BLOCK.match(sign) is not None


def _in_call(text: str, start: int) -> Iterator[Range]:
    """Yield the literal in `password = SecretStr("…")`."""
    literal = _LITERAL.match(text, start)
    if literal is None or harmless(literal[2]):
        return
    callee = literal[0].partition("(")[0]
    if looks_random(literal[2]) or "ecret" in callee or _CONVERSION.search(callee):
        yield literal.span(2)


def _is_named_harmless(text: str, start: int, end: int, group: str, sign: str, quote: str) -> bool:
    value = text[start:end]
    numbers = group != "password" or len(value) < 3
    if harmless(value, numbers=numbers) or (not quote and names_a_place(text, start)):
        return True
    if sign.endswith(":") and value.startswith("//"):  # password for 'https://…'
        return True
    made = looks_chosen(value) or looks_random(value, at_least=12)
    if quote and group == "key" and sign.endswith(("==", "to")):
        return not made
    if quote:
        # A list of names, and the label of a field, are no secrets.
        return ("," in sign or sign == ">") and not made
    if is_prose(value) or is_code(value) or sign.endswith("=="):
        return True
    if sign.endswith((">", "\n")) and not sign.endswith(("=>", "->")):
        return value[0] == "@" or not (text.startswith("</", end) or made)
    if sign.lower().endswith(SPOKEN):
        more = NEXT_WORD.match(text, end) is not None
        spoken_word = group == "password" and is_word(value) and not more
        return not made and (sign in ("|", "-") or not spoken_word)
    return group == "key" and (is_word(value) or is_class(value))


def _header(text: str, found: Found) -> Iterator[Range]:
    """Yield all that the header says: to the end of its line, or of its quotes."""
    name_start = found["header"][0]
    if _begins_a_block(text[slice(*found["sign"])]):
        return
    before = text[name_start - 1 : name_start] if name_start else ""
    start, end, _ = line_at(text, found[""][1], before if before in ("'", '"', "`") else "")
    if scheme := _SCHEME_BEFORE.match(text, start):
        start = scheme.end()
    value = _COMMENT.split(text[start:end])[0]
    first = value.split(" ")[0]
    if not value or harmless(value) or is_prose(first) or is_code(value):
        return
    cookie = "ookie" in text[slice(*found["header"])].lower()
    if cookie and (_PREFERENCE.fullmatch(value) or ("=" not in value and not looks_random(first))):
        return
    if not cookie and not scheme and is_word(first):
        return
    yield start, end


def _after_space(text: str, found: Found, group: str) -> Iterator[Range]:
    """Yield the value in `--password value`, `ENV KEY value` and `password value`."""
    name_start = found[group][0]
    option = _OPTION.search(text[max(name_start - LONGEST_PREFIX, 0) : name_start]) is not None
    start, end, quote = value_at(text, found[""][1])
    value = text[start:end]
    if value.startswith("-") or harmless(value, numbers=not option):
        return
    if not option and within_path(text, name_start):
        return
    if names_something_else(text, *found[group], value) or names_a_place(text, start):
        return
    if option:
        secret = not is_prose(value) and (bool(quote) or not is_code(value))
    elif group == "password":
        secret = looks_chosen(value) or (looks_random(value, at_least=12) and not is_code(value))
    else:
        secret = looks_random(value, at_least=12) or is_uuid(value)
    if secret:
        yield start, end


HINTS = name_patterns.HINTS
FINDERS: Finders = {
    named: (NAMED,),
    spaced: (SPACED,),
    random: (RANDOM, QUERY, AS_PASSWORD),
    continued: (CONTINUED,),
    after_scheme: (SCHEME,),
}
