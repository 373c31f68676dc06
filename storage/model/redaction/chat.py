"""Find secrets that people tell each other: `das Passwort vom WLAN ist …`, codes, seed phrases."""

import re
from collections.abc import Iterator
from itertools import chain, islice

from storage.model.redaction.languages import CODES, COPULAS, LOGINS, OTHER, PASSWORDS
from storage.model.redaction.patterns import Finders, Pattern, Patterns, Range, ValuePattern
from storage.model.redaction.places import names_a_place
from storage.model.redaction.values import harmless, is_prose, looks_chosen, within_path

LONGEST_SENTENCE = 120
MOST_WORDS = 12
"""How many characters, and words in them, are read after the name of a secret."""

_TOLD = rf"(?i:(?:^|[^A-Za-z0-9])(?:{PASSWORDS}))"
_CODE = (
    rf"(?i:(?:^|[^A-Za-z0-9])(?:{CODES})(?:[ \t]?(?:code|number|nummer|番号|コード)?)[*_`]*"
    r"(?:[ \t](?:for|of|to|für|de|para|pour|per|del)(?:[ \t]\w{1,14}){1,5})?"
    r"[ \t]*(?:[:：=]|は|是|[는은]|→|->|[ \t](?:is|ist|lautet|est|es|é|è|was|jest"
    r"|je))?[ \t]*[*_`\[「#]*)"
    r"(?P<code>\d(?:[ -]?\d){2,11}#?|[A-Z0-9]{1,4}-\d{3,8}|[A-Z0-9]{3}-[A-Z0-9]{3})"
    r"(?:[^A-Za-z0-9.:,/-]|[.,](?:[^A-Za-z0-9]|$)|$)"
)
_CODE_FIRST = (
    r"(?i:(?:^|[\s*`:])(?P<code>(?:[A-Z]-)?\d{4,8}|\d{3}[ -]\d{3})[*`]*[ \t]+(?:is|ist|est|es"
    r"|é)[ \t]+"
    r"(?:your|the|my|ihr|dein|votre|tu|su|o seu)[ \t](?:[\w-]+[ \t]){0,3}?"
    r"(?:code|pin|otp|passcode|código)\b)"
)
_CODE_TO_USE = (
    r"(?i:(?:^|[^\w])(?:use|enter|type|utilisez|usa|nutze)[ \t]+[*_`]*"
    r"(?P<code>\d{4,8}|\d{3}[ -]\d{3})[*_`]*[ \t]+(?:to|as|for|pour|para|zum)[ \t]+"
    r"(?:[\w'’-]+[ \t]){0,3}?"
    r"(?:verif|vérif|confirm|authenticat|log[- ]?in|sign[- ]?in|code|otp|anmelden|bestätigen))"
)
_SEED = (
    r"(?i:(?:seed|mnemonic|recovery|wallet|backup|secret|phrase|metamask|ledger|trezor)[^\n]{0,30}?[\s:=\"'`>*])"
    r"(?P<words>(?:[a-z]{3,8}[ ,]+){11,23}[a-z]{3,8})(?:[^a-z]|$)"
)
_PHRASE = (
    rf"(?i:passphrase|пароль|passwort|password)[ \t](?:{COPULAS})[ \t](?P<phrase>"
    rf"(?:[a-z]+[ -]){{3,7}}[a-z]+)[.!]?(?:\n|$)"
)
_LOGIN = (
    rf"(?i:(?:^|[^A-Za-z])(?:{LOGINS})(?:[ \t](?:for|to|für|pour|para)[ \t][\w./-]+)?"
    r"[ \t]*(?:[:：=→]|->|[ \t](?:is|are|sind|ist|son|sont))[ \t]*)"
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
# `enter X when it asks for the password`
_ENTERED = (
    r"(?i:(?:^|[^A-Za-z])(?:enter|type|use|try)[ \t]+[\"'`]?)(?P<login>[^\s\"'`]+)[\"'`]?[ \t]"
    r"(?i:when|if|where|once)[ \t][^\n.]{0,30}(?i:password|passphrase|passcode|pin)"
)
_PAIR = (
    rf"(?i:(?:^|\n)[ \t]*(?:{PASSWORDS}))[ \t]*[;,\t][ \t]*(?P<login>[^\s;,]{{5,}})[ \t]*(?:\n|$)"
)
_DOTTED = (
    rf"(?i:(?:{PASSWORDS}))[\"'*_)\]]*(?:[ \t]*[(\[][^()\[\]\n]{{1,30}}[)\]])?[ \t]*"
    rf"(?:\.{{3,40}}|::|~|/|🔑|🔐|[:=]?[ \t]*```\w*\n)[ \t]*(?P<login>\S{{5,}})|🔐[ \t]*"
    rf"(?P<old>\S{{5,}})"
)
_NEXT_LINE = (
    rf"(?im:(?:^|[ \t*_])(?:{PASSWORDS})[*_]*[ \t]*[:：][*_]*[ \t]*\n"
    rf"(?P<login>[^\s:<>(){{}}\[\]-]{{6,40}})$)"
)

# The key of a wireless network, which has no name but `key`.
_WIFI = (
    r"(?i:(?:^|[^A-Za-z])(?:wi-?fi|wlan|wireless|e?ssid|wpa[23]?|hotspot)[^\n]{0,60}?"
    r"(?:\n[^\n]{0,20}?)?(?:[^A-Za-z](?:key|code|psk|schlüssel|clave|clé|chiave)|パス)[*_`\"]*"
    r"[ \t]*(?:[:=：]|->|→|(?:is|ist|est|es)[ \t])?[ \t]*[\"'*_`]*)"
    r"(?P<login>[^\s\"'<>`]{6,63})"
    r"|(?i:option[ \t]+(?:key|wpa_?key)[ \t]+[\"']?)(?P<old>[^\s\"']{6,63})"
)
# Alone in the line below, in a quotation or in a block of code.
_SECRET = rf"(?:{PASSWORDS}|(?:api|access|secret)[ _-]?key|token|secret)[*_`~]*"
# What a heading has before the word: `Client Secret`
_WHOSE = (
    r"(?:(?:app(?:lication)?|client|consumer|api|personal access|access|refresh|bearer|bot|auth"
    r"|oauth|webhook|signing|shared|service|user|admin|root|database|db|initial|temporary|new)"
    r"[ _-])?"
)
_BELOW = (
    # `the password for staging is`, `token:`, or a heading of one word
    rf"(?im:(?:(?:^|[^A-Za-z0-9]){_SECRET}"
    r"(?:[ \t](?:for|of|to|für|de|para|pour|per|vom|zum|from|on)(?:[ \t][\w.@'/#-]{1,30}){1,5}?)?"
    rf"(?:[ \t](?:{COPULAS})[ \t]*[:：]?|[ \t]*[:：])"
    rf"|^(?:<\w{{1,6}}>|[> \t#*_`~])*{_WHOSE}{_SECRET})"
    r"[*_`~]*[ \t]*\n(?:[> \t]*\n)?[> \t]*"
    r"(?:```\w*\n?[> \t]*)?[`*_\"']{0,2}(?P<login>[^\s`<\"]{5,64}))"
)
# `use svc-ci / …`, `root / …`, where nothing but the look of it says that it is a password.
_USED_LOGIN = (
    r"(?:(?i:(?:^|[^A-Za-z])(?:use|using|with|try|via|nimm|mit|usa|avec|con)[ \t]+|\()[\w.@+-]+"
    r"|(?:^|[\s(:は])(?:admin|administrator|root|test\w{0,4}|guest|demo|ubuntu|postgres|sa))"
    r"[ \t]+/[ \t]+(?P<login>[^\s\"'<>()/|,;]{6,40})"
)
_MAIL_LOGIN = (
    r"(?:^|[^\w.+/-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}"
    r"(?:[:|/]|[ \t]*(?:[:|/]|->|→|\n)[ \t]*)"
    r"(?P<login>[^\s\"'<>/|,;@&]{6,40})(?:[\s\"'`,;|<&]|$)"
)

_told, _seed = Pattern(_TOLD), Pattern(_SEED)
_codes = Patterns((_CODE, _CODE_FIRST, _CODE_TO_USE))
_phrase, _next_line, _below = map(Pattern, (_PHRASE, _NEXT_LINE, _BELOW))
_LOGINS = (_LOGIN, _LOGIN_FIRST, _USER_AND_P, _CHANGED, _ENTERED, _PAIR, _DOTTED, _WIFI)
_logins = Patterns(_LOGINS)
_mail_login, _used_login = Pattern(_MAIL_LOGIN), Pattern(_USED_LOGIN)
_COPULA = ValuePattern(rf"(?i)(?:{COPULAS})|.*[:：=→]|->|to|auf|zu|на")
_ASSIGNMENT = ValuePattern(r"[A-Za-z_][\w.-]*[=:].")
_STOP = ValuePattern(r".*[()\[\]{}<>|;\"\\]|.*://|[\w.+-]+@[\w-]+\.\w+|--?\w")
_END = ValuePattern(r"\n|</|\"")
_WORD = ValuePattern(r"\S+?(?=\(으\)로|\s|$)")
_VERSIONED = ValuePattern(r"[A-Za-z]+v?\d*(?:\.\d+)+|[A-Z]+-\d+|\d+[a-z]+")
_ASCII = ValuePattern(r"[!-~]{4,}")

HINTS = (
    rf"(?i:(?:{PASSWORDS})[^A-Za-z0-9])",
    _CODE.replace("(?P<code>", "(?:"),
    _CODE_FIRST.replace("(?P<code>", "(?:"),
    _CODE_TO_USE.replace("(?P<code>", "(?:"),
    r"@[\w-]+(?:\.[\w-]+)+[ \t]*(?:[:|/\n]|->|→)",
    r"[ \t]+/[ \t]+[^\s/]*\d",
    rf"(?:{OTHER})[!-~]",
    r"(?i:wi-?fi|wlan|ssid|wpa[23]?|hotspot|wireless)[^A-Za-z]|(?i:option[ \t]+(?:key|wpa))",
    r"(?i:(?:key|token|secret)[*_`~:]*[ \t]*\n)",
    rf"(?i:(?:{LOGINS})(?:[ \t](?:for|to|für|pour|para)[ \t][\w./-]+)?[ \t]*"
    r"(?:[:：=→]|->|[ \t](?:is|are|sind|ist|son|sont))[ \t]*[\w.@+-]+[ \t]*[/:|,→])",
    r"(?i:(?:enter|type|use|try)[ \t]+\S+[ \t](?:when|if|where|once)[ \t])",
    r"🔐|(?:are|is) (?:the |my )?cred"
    r"|AUTH=|(?i:u(?:ser|sr)?[ \t]*[:=][ \t]*\S+[\s,;/]+p(?:w|wd|ass)?[ \t]*[:=])",
    r"(?i:(?:seed|mnemonic|wallet|recovery|backup)[^\n]{0,20}(?:words|phrase|:|=)"
    r"|metamask|ledger|trezor|phrase[:=])",
)
"""Patterns that are cheap to search for: without any of them, a text has no secret of this kind."""


def told(text: str) -> Iterator[Range]:
    """Yield values that a sentence about a password names, in any of the languages."""
    covered = 0
    for found in _told.finditer(text):
        at = max(found[""][1], covered)
        if text[at : at + 1] and text[at] in "_-@+/&.%~화化":  # A name, a URL, “encryption”
            continue
        end = _END.search(text[at : at + LONGEST_SENTENCE])
        line = text[at : at + (end.start() if end else LONGEST_SENTENCE)]
        # Chinese and Japanese have no spaces: 密码Spring-53
        before = "=" if "!" <= line[:1] <= "~" and not text[at - 1].isascii() else ""
        for word in islice(_WORD.finditer(line), MOST_WORDS):
            if secret := _told_value(word[0], before):
                start = at + word.start() + word[0].index(secret)
                covered = start + len(secret)
                if not names_a_place(text, start):
                    yield start, covered
            elif _STOP.match(word[0]) or word[0][-1] in ".!?" or any(map(str.isdigit, word[0])):
                break
            before = word[0]


def _told_value(word: str, before: str) -> str:
    """Return the secret in `word` of a sentence, or "" if it is none that follows `before`."""
    if _STOP.match(word):
        return ""
    bare = word.rstrip(":;,").strip("*_`'\"“”„‘’«»「」『』,.…")
    inside = _ASCII.search(bare) if not bare.isascii() else None
    value = inside[0] if inside else bare
    if len(value) < 5 or not looks_chosen(value) or harmless(value) or _VERSIONED.fullmatch(value):
        return ""
    joined = inside is not None or (before != "" and _COPULA.fullmatch(before) is not None)
    return value if joined or _is_strong(value) else ""


def _is_strong(value: str) -> bool:
    """Return True for digits together with a sign, or with letters as in `aBc`."""
    digits = any(map(str.isdigit, value))
    mixed = value.lower() != value != value.upper() and value[1:] != value[1:].lower()
    return digits and (mixed or any(sign in value for sign in "!@#$%^&*?_"))


def codes(text: str) -> Iterator[Range]:
    """Yield the digits of PINs and of codes that are used once."""
    for found in _codes.finditer(text):
        yield found["code"]


def phrases(text: str) -> Iterator[Range]:
    """Yield the words of seed phrases, and of passphrases."""
    for pattern, group in ((_seed, "words"), (_phrase, "phrase")):
        for found in pattern.finditer(text):
            start, end = found[group]
            if not any(is_prose(word) for word in re.split(r"[ ,-]+", text[start:end].lower())):
                yield start, end


def logins(text: str) -> Iterator[Range]:
    """Yield passwords that stand beside a user, the old password or nothing but their name."""
    for found in _logins.finditer(text):
        if within_path(text, found[""][0]):
            continue
        for group in ("old", "login"):
            if group in found:
                start, end = found[group]
                value = text[start:end]
                if looks_chosen(value) and not (harmless(value) or _STOP.match(value)):
                    yield start, start + len(value.rstrip("*_`,;|"))
    for found in _next_line.finditer(text):
        start, end = found["login"]
        if not is_prose(text[start:end]) and not harmless(text[start:end]):
            yield start, end


def below(text: str) -> Iterator[Range]:
    """Yield passwords in the line below their name: alone there, or strong."""
    for found in _below.finditer(text):
        start, end = found["login"]
        value = text[start:end].rstrip("*_',.;")
        alone = re.match(r"[`*_\"']*\s*?(?:```)?(?:\n|$)", text[end : end + 8]) is not None
        if _ASSIGNMENT.match(value) or harmless(value) or not looks_chosen(value):
            continue
        if alone or _is_strong(value):
            yield start, start + len(value)


def mail_logins(text: str) -> Iterator[Range]:
    """Yield passwords beside an address or a user: `ann@example.com / …`, `use ann / …`."""
    for found in chain(_mail_login.finditer(text), _used_login.finditer(text)):
        start, end = found["login"]
        if _is_strong(text[start:end]) and looks_chosen(text[start:end]):
            yield start, end


FINDERS: Finders = {
    told: (_TOLD,),
    codes: (_CODE, _CODE_FIRST, _CODE_TO_USE),
    phrases: (_SEED, _PHRASE),
    logins: (*_LOGINS, _NEXT_LINE),
    below: (_BELOW,),
    mail_logins: (_MAIL_LOGIN, _USED_LOGIN),
}
