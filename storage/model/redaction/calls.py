"""Secrets that a program gives to a function: `connect("db", "ann", "…")`, `bot.run("…")`."""

from collections.abc import Callable, Iterator, Sequence

from storage.model.redaction.patterns import Finders, Patterns, Range
from storage.model.redaction.values import (
    harmless,
    is_code,
    is_path,
    is_prose,
    looks_chosen,
    looks_random,
)

_STRING = r"[ \t]*[\"'](?P<secret>[^\"'\s]{5,})[\"'][ \t]*"
_LOGS_IN = (
    r"(?i:login|auth|authenticate|sign_?in|begin|set_?password|\w*connect\w*|\w*credentials?)"
)
_CLIENT = (
    r"(?i:login|run|analytics\.load"
    r"|\w*(?:client|wallet|bot|token|api_?key|secret|github|gitlab|search|fernet|from_?key"
    r"|private_?key|secret_?key|cipher|secretbox)|(?:aes|chacha20\w*)\.new|twilio"
    r"|stripe|openai|anthropic|plaid|pusher|nexmo|vonage|shopify|sendgrid|mailgun|cloudinary)"
)

# A user and a password, and nothing else: whatever the password looks like.
PAIRS = (
    rf"{_LOGS_IN}\([ \t]*[\"'][^\"'\n]{{0,60}}[\"'][ \t]*,{_STRING}\)",
    rf"auth[ \t]*=[ \t]*\([ \t]*[\"'][^\"'\n]*[\"'][ \t]*,{_STRING}\)",
    # A password of Google for one program: four words of four letters
    rf"{_LOGS_IN}\([^()\n]{{0,120}},[ \t]*[\"']"
    r"(?P<secret>[a-z]{4}(?: [a-z]{4}){3})[\"'][ \t]*\)",
)
# The last of more arguments, such as a host, a user and a password.
LAST = rf"{_LOGS_IN}\([^()\n]{{0,120}}[^()\n ,][ \t]*,{_STRING}\)"
# The only argument of what sets a password: `user.setPassword("…")`, `.password("…")`.
_SETS = r"(?:(?i:(?:^|[^A-Za-z0-9])(?:set|with)_?)\w{0,20}|\.)"
SET_PASSWORD = rf"{_SETS}(?i:passw(?:or)?d|passphrase|pwd)\({_STRING}\)"
SET_KEY = (
    rf"{_SETS}(?i:(?:api|access|secret|private|auth)_?key|secret|(?:access|auth|api|bearer)?_?token"
    rf"|client_?secret|credentials?)\({_STRING}\)"
)
# A key with which something is signed, and a password that a test types.
SIGN = (
    rf"(?i:jwt\w*\.(?:sign|verify|encode|decode)|createHmac|hmac\.new)"
    rf"\([^()\n]{{0,120}}?[^()\n ,][ \t]*,[ \t]*b?{_STRING}[,)]"
)
TYPED = (
    rf"(?i:passw|pwd|secret|token|[^a-z]pin[^a-z])[^\n]{{0,60}}?\)\.(?:type|fill|send_?keys|set_?value"
    rf"|val|enter|input|clear_and_type|press_?sequentially|enter_?text|type_?text)\({_STRING}[,)]"
).replace("(?:type", "(?i:type")
# Expect and its like: send "…\r"
SENT = (
    r"(?:send|send_user|sendline|exp_send)[ \t(]+(?:--[ \t]+)?"
    r"[\"'](?P<secret>[^\"'\s\\]{5,})(?:\\[rn]|\s)*[\"']"
)
# A token with which a client is made, alone or after an id.
TOKEN = rf"{_CLIENT}\((?:[ \t]*[\"']?[\w.-]{{1,60}}[\"']?[ \t]*,)?[ \t]*b?{_STRING}[,)]"
# What a program takes if a setting is missing: `getenv("API_KEY") or "…"`, `token ?? "…"`.
_SETTING = (
    r"(?i:token|secret|passw(?:or)?d|passphrase|pwd|[_-]pass|credentials?"
    r"|(?:[_-]|api|access|secret|private|auth)key)[s\d]?"
)
_OR = r"[ \t]+(?:or|\|\||\?\?|\?:|else)[ \t]+"
ELSE = rf"{_SETTING}[\"']?[\])}}]{{0,3}}(?:[ \t]in[ \t][\w.]+)?{_OR}b?{_STRING}"
DEFAULT = (
    r"(?i:get|env|fetch|config|option|argument|setting)\w*\([ \t]*[\"'][\w.-]*"
    rf"{_SETTING}[\"'][ \t]*(?:,(?:[^()\n]{{0,60}}?default(?:_value)?[ \t]*[=:])?"
    rf"|\)[ \t]*\{{)[ \t]*b?{_STRING}"
)
_HINT_OF_DEFAULT = (
    rf"{_SETTING}(?:[\"'\])}}]{{0,4}}{_OR}b?[\"']|[\"'][ \t](?i:in)[ \t]"
    r"|[\"'][ \t]*(?:,|\)[ \t]*\{))"
)

HINTS = (
    r"(?i:login|auth|authenticate|sign_?in|begin|connect\w*|credentials?)\(",
    r"(?i:passw(?:or)?d|passphrase|pwd|key|secret|token|credentials?)\([ \t]*[\"']",
    r"(?:send|sendline|exp_send|send_user)[ \t(]+(?:--[ \t]+)?[\"']",
    r"auth[ \t]*=[ \t]*\(",
    r"(?i:jwt\w*\.(?:sign|verify|encode|decode)|createhmac|hmac\.new)\(",
    r"\)\.(?i:type|fill|send_?keys|set_?value|val|enter|input|clear_and_type|press_?sequentially"
    r"|enter_?text|type_?text)\([ \t]*[\"']",
    r"(?i:run|analytics\.load|client|wallet|bot|token|api_?key|secret|github|gitlab|search|twilio"
    r"|fernet|from_?key|private_?key|secret_?key|cipher|secretbox|(?:aes|chacha20\w*)\.new"
    r"|stripe|openai|anthropic|plaid|pusher|nexmo|vonage|shopify|sendgrid|mailgun|cloudinary)\([^()\n]{0,60}?[\"']",
    _HINT_OF_DEFAULT,
)


def _is_made(value: str) -> bool:
    return looks_random(value, at_least=20)


def _is_password(value: str) -> bool:
    return looks_chosen(value) or looks_random(value)


def _is_no_prose(value: str) -> bool:
    return not is_prose(value)


def _is_no_name(value: str) -> bool:
    return not (is_prose(value) or is_code(value))


_ARGUMENTS: Sequence[tuple[Patterns, Callable[[str], bool]]] = (
    (Patterns(PAIRS), _is_no_prose),
    (Patterns((SET_PASSWORD, TYPED)), _is_no_name),
    (Patterns((LAST, SET_KEY, SIGN, SENT, ELSE, DEFAULT)), _is_password),
    (Patterns((TOKEN,)), _is_made),
)


def in_calls(text: str) -> Iterator[Range]:
    """Yield passwords that follow a user, and tokens with which clients are made."""
    for patterns, is_secret in _ARGUMENTS:
        for found in patterns.finditer(text):
            start, end = found["secret"]
            value = text[start:end]
            if is_secret(value) and not (harmless(value, numbers=False) or is_path(value)):
                yield start, end


FINDERS: Finders = {
    in_calls: (*PAIRS, LAST, SET_PASSWORD, SET_KEY, SIGN, TYPED, SENT, TOKEN, ELSE, DEFAULT)
}
