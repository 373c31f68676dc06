"""Passwords before the host of a URL, and beside a user who is written like one."""

from collections.abc import Iterator

from storage.model.redaction.patterns import Finders, Pattern, Range, ValuePattern
from storage.model.redaction.values import harmless, looks_chosen, looks_random

URL = (
    r"(?:^|[^A-Za-z0-9])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^\s/?#:@\"'<>]*)"
    r"(?::(?P<in_url>[^\s/?#\"'<>]*))?@"
)
# In the URLs of databases and their like, people leave a slash in the password as it is.
URL_WITH_SLASH = (
    r"(?i:(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|jdbc|ftps?|sftp|smtps?"
    r"|ldaps?|clickhouse|oracle|sqlserver|cockroachdb|nats|mqtts?|imaps?|pop3s?|ssh|smb|socks\w?"
    r"|neo4j|bolt|cassandra|couchdb|elasticsearch|snowflake|influxdb|db2|kafka|stomp|vertica"
    r"|redshift|rtsp|vnc|rdp|sips?|turns?)(?:[+:][a-z0-9+]+)?)"
    r"://[^\s/:@\"'<>]*:(?P<in_url>[^\s\"'<>]+)@[\w.\[-]"
)
# A URL that no program takes is quoted in its error, with the password.
WITHOUT_SLASHES = (
    r"(?i:postgres(?:ql)?(?:\+\w+)?(?::/?|//))[^\s/:@\"'<>]+:(?P<in_url>[^\s@\"'<>]+)@[\w.\[-]"
)
BARE_LOGIN = (
    r"(?:^|[\s\"'=(<>])[A-Za-z][\w.-]*:(?P<in_url>[^\s:@/\"'<>]+)@"
    r"(?:(?:tcp|unix)\(|localhost|\d{1,3}(?:\.\d{1,3}){3}|[\w-]+(?:\.[\w-]+)*(?::\d|/))"
)
OPENED = (
    r"(?i:(?:^|[\s>])(?:open|connect|sftp|ftp|lftp|ssh|scp|wget|rsync|impacket-\w+|\w+\.py)"
    r"[ \t]+|sips?:)"
    r"(?:[\w.-]+/)?[A-Za-z][\w.-]*:(?P<in_url>[^\s:@/\"'<>]+)@[\w\[]"
)
TOLD_LOGIN = (
    r"(?i:log[- ]?in|sign[- ]?in|basic auth|credentials?|creds|account|access|user)"
    r"(?:[ \t](?:is|are|as|with))?:?"
    r"[ \t]\(?[\w.@+-]+[ \t]?[/:|][ \t]?(?P<in_url>[^\s\"'<>/@]{5,})"
)
# The path of a page that lets in whoever knows it.
LINK = (
    r"(?i:/(?:magic[-_]?links?|(?:password[-_]?)?resets?(?:[-_]password)?|verify(?:[-_]email)?|confirm"
    r"|invites?|invitations?|activate|one-time|onetime|secret|unlock)/)(?P<in_url>[A-Za-z0-9_-]{20,})"
)
PGPASS = r"(?:^|\s)[\w-]+:\d{4,5}:[\w*-]+:[\w.*@-]+:(?P<in_url>[^\s:]{5,})"

HINTS = (
    r"://[^\s\"'<>]*@|:[^\s:@/\"'<>]+@",
    r":\d{4,5}:[\w*-]+:[\w.*@-]+:",
    TOLD_LOGIN.replace("(?P<in_url>", "(?:"),
    LINK.replace("(?P<in_url>", "(?:").replace("{20,}", "{8}"),
)

SHORTEST = 4
_FILLER = ValuePattern(r"(?i)x|x-oauth-basic|x-token-auth|x-access-token|api_token|pat|git|unused")
_USER = ValuePattern(r"[A-Za-z_.-]{1,23}\d{0,4}")
_PORT = ValuePattern(r"\d{1,5}(?:/|$)")
_patterns = (
    (Pattern(URL), lambda password: True),
    (Pattern(URL_WITH_SLASH), lambda password: not _PORT.match(password)),
    (Pattern(WITHOUT_SLASHES), lambda password: True),
    (Pattern(BARE_LOGIN), looks_chosen),
    (Pattern(OPENED), lambda password: len(password) >= SHORTEST),
    (Pattern(TOLD_LOGIN), looks_chosen),
    (Pattern(PGPASS), looks_chosen),
    (Pattern(LINK), lambda part: looks_random(part, at_least=20)),
)


def is_token(user: str) -> bool:
    """Return True for a token in place of a user's name."""
    return (
        looks_random(user, at_least=12)
        and not harmless(user, numbers=False)
        and not _USER.fullmatch(user)
    )


def is_filler(password: str) -> bool:
    """Return True for what stands in place of a password beside a token, or of any password."""
    return bool(_FILLER.fullmatch(password)) or harmless(password, numbers=False)


def in_urls(text: str) -> Iterator[Range]:
    """Yield where passwords and tokens are before the host of a URL."""
    for pattern, is_password in _patterns:
        for found in pattern.finditer(text):
            if "user" in found and is_token(text[slice(*found["user"])]):
                yield found["user"]
            if "in_url" in found:
                password = text[slice(*found["in_url"])]
                if password and is_password(password) and not is_filler(password):
                    yield found["in_url"]


FINDERS: Finders = {
    in_urls: (
        *(URL, URL_WITH_SLASH, WITHOUT_SLASHES, BARE_LOGIN, OPENED, TOLD_LOGIN, PGPASS, LINK),
    )
}
