"""Secrets in the line below what printed them: `gh auth token`, `Created token "ci":`."""

from collections.abc import Iterator

from storage.model.redaction.patterns import Finders, Pattern, Range, ValuePattern
from storage.model.redaction.values import harmless, is_code, is_path, looks_chosen, looks_random

_NAME = r"(?i:passw|pwd|secret|token|credential|api_?key|private)"
_DECODED = r"base64[ \t]+-{1,2}[dD]"
_FILTERED = r"jq[ \t]+-r"
_COMMANDS = (
    # New ones
    r"openssl[ \t]+rand|pwgen|mkpasswd|/dev/u?random|secrets\.token_\w+|gpg[ \t]+--gen-random"
    # Tokens of the one who is logged in
    r"|print-\w+-token|get-access-token|get-login-password|kubectl[ \t]+create[ \t]+token"
    r"|oc[ \t]+whoami[ \t]+-t|auth[ \t:]token|vault[ \t]+print[ \t]+token"
    # Vaults and password managers
    r"|vault[ \t]+(?:kv[ \t]+get|read)|op[ \t]+(?:read|item[ \t]+get)|g?opass[ \t]+show"
    r"|pass[ \t]+show|bw[ \t]+get|lpass[ \t]+show|security[ \t]+find-\w+-password"
    r"|secret-tool[ \t]+lookup|secrets[ \t]+get|get-secret-value|ssm[ \t]+get-parameter"
    r"|ra(?:ils|ke)[ \t]+secret"
    r"|secrets[ \t]+versions[ \t]+access|keyvault[ \t]+secret[ \t]+show|rclone[ \t]+reveal"
    rf"|terraform[ \t]+output[ \t]+-raw[ \t]+\w*{_NAME}|ansible-vault[ \t]+decrypt"
    # A variable, a file or a field that is named like a secret
    rf"|(?:printenv[ \t]+|echo[ \t]+[\"']?\$\{{?|cat[ \t]+[\w./~-]*)\w*{_NAME}"
)
PRINTED = (
    rf"(?:{_COMMANDS}|{_NAME}[^\n]{{0,60}}{_DECODED}|{_FILTERED}[^\n]{{0,40}}{_NAME})[^\n]{{0,100}}\n"
    r"(?P<printed>[^\s\"'`#<>(){}\[\]]{8,})[ \t]*(?:\r?\n|$)"
)
# The line below would multiply the states of the search for all hints.
# What a service says of a new token, and the token alone below it or below an empty line.
_CREATED = (
    r"(?i:(?:(?:created|generated|issued|added|your new)[ \t](?:[\w-]+[ \t]){0,3}"
    r"(?:token|secret|key)"
    r"|(?:token|secret|key)[ \t](?:was[ \t]|has been[ \t])?(?:created|generated|issued)))"
)
CREATED = (
    rf"{_CREATED}[^\n]{{0,80}}\n(?:[ \t]*\r?\n)?[ \t]*(?P<created>[^\s\"'`#<>(){{}}\[\]]{{16,}})"
    r"[ \t]*(?:\r?\n|$)"
)
HINTS = (rf"(?:{_COMMANDS}|{_DECODED}|{_FILTERED})", _CREATED)

_printed, _created = Pattern(PRINTED), Pattern(CREATED)
_ASSIGNMENT_OR_FILE = ValuePattern(r"[A-Za-z_][\w.-]*[=:].|[\w-]+\.\w+$")


def printed(text: str) -> Iterator[Range]:
    """Yield what stands alone in the line below such a command, unless it is a word."""
    for found in _printed.finditer(text):
        start, end = found["printed"]
        value = text[start:end]
        made = looks_chosen(value) or looks_random(value, at_least=12)
        if made and not (_ASSIGNMENT_OR_FILE.match(value) or harmless(value) or is_path(value)):
            yield start, end


def created(text: str) -> Iterator[Range]:
    """Yield what stands alone in the line below, or after an empty line, if it looks random."""
    for found in _created.finditer(text):
        start, end = found["created"]
        value = text[start:end]
        kept = _ASSIGNMENT_OR_FILE.match(value) or harmless(value) or is_code(value)
        if looks_random(value) and any(map(str.isdigit, value)) and not kept:
            yield start, end


FINDERS: Finders = {printed: HINTS[:1], created: HINTS[1:]}
