"""Passwords before the host of a URL, and beside a user who is written like one."""

from collections.abc import Iterator

from storage.model.redaction.patterns import Finders, Pattern, Range, ValuePattern
from storage.model.redaction.values import harmless, looks_chosen, looks_random

URL = (
    r"(?:^|[^A-Za-z0-9])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^\s/?#:@\"'<>]*)"
    r"(?::(?P<in_url>[^\s/?#\"'<>]+))?@"
)
# In the URLs of databases and their like, people leave a slash in the password as it is.
URL_WITH_SLASH = (
    r"(?i:(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|jdbc|ftps?|sftp|smtps?"
    r"|ldaps?|clickhouse|oracle|sqlserver|cockroachdb)(?:[+:][a-z0-9+]+)?)"
    r"://[^\s/:@\"'<>]*:(?P<in_url>[^\s\"'<>]+)@[\w.\[-]"
)
BARE_LOGIN = (
    r"(?:^|[\s\"'=(<>])[A-Za-z][\w.-]*:(?P<in_url>[^\s:@/\"'<>]+)@"
    r"(?:(?:tcp|unix)\(|localhost|\d{1,3}(?:\.\d{1,3}){3}|[\w-]+(?:\.[\w-]+)*(?::\d|/))"
)
TOLD_LOGIN = (
    r"(?i:log[- ]?in|sign[- ]?in|credentials?|creds|account|access|user)"
    r"(?:[ \t](?:is|are|as|with))?:?"
    r"[ \t]\(?[\w.@+-]+[ \t]?[/:|][ \t]?(?P<in_url>[^\s\"'<>/@]{5,})"
)
PGPASS = r"(?:^|\s)[\w-]+:\d{4,5}:[\w*-]+:[\w.*@-]+:(?P<in_url>[^\s:]{5,})"

HINTS = (
    r"://[^\s\"'<>]*@|:[^\s:@/\"'<>]+@",
    r":\d{4,5}:[\w*-]+:[\w.*@-]+:",
    TOLD_LOGIN.replace("(?P<in_url>", "(?:"),
)

_PORT = ValuePattern(r"\d{1,5}(?:/|$)")
_patterns = (
    (Pattern(URL), lambda password: True),
    (Pattern(URL_WITH_SLASH), lambda password: not _PORT.match(password)),
    (Pattern(BARE_LOGIN), looks_chosen),
    (Pattern(TOLD_LOGIN), looks_chosen),
    (Pattern(PGPASS), looks_chosen),
)


def in_urls(text: str) -> Iterator[Range]:
    """Yield where passwords and tokens are before the host of a URL."""
    for pattern, is_password in _patterns:
        for found in pattern.finditer(text):
            start, end = found.get("in_url") or found["user"]
            is_secret = is_password if "in_url" in found else looks_random
            if is_secret(text[start:end]) and not harmless(text[start:end], numbers=False):
                yield start, end


FINDERS: Finders = {in_urls: (URL, URL_WITH_SLASH, BARE_LOGIN, TOLD_LOGIN, PGPASS)}
