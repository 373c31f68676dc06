"""Secrets in command lines, URLs and the files of programs, where no name stands before them."""

import re
from collections.abc import Iterator

from storage.model.redaction.patterns import Pattern, Range, ValuePattern
from storage.model.redaction.values import harmless, is_path, is_prose, looks_chosen, looks_random

_GAP = r"[^\n|;&]*?[ \t]"
_ARGUMENT = r"(?P<secret>\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'|;&<>][^\s\"'|;<>]*)"


def _command(programs: str, options: str) -> str:
    return rf"(?:^|[^A-Za-z0-9_-])(?:{programs})(?:\.exe)?[ \t](?:{_GAP})?(?:{options}){_ARGUMENT}"


LOGINS = (
    # user:password
    _command(
        r"curl|https?|xh|httpie|ab|siege|hey",
        r"-u[ \t]*|--user[ =]|-U[ \t]*|--proxy-user[ =]|-a[ \t]+|-A[ \t]+|--auth[ =]",
    ),
    _command(r"smbclient|rpcclient|smbmap", r"-U[ \t]*|--user[ =]"),
)
"""Command lines in which a user and a password are one argument. The password is hidden."""

COMMANDS = (
    _command(r"mysql\w*|mariadb[\w-]*|mycli", r"-p"),
    _command(r"sshpass", r"-p[ \t]*"),
    _command(r"ssh-keygen", r"-[NP][ \t]+"),
    _command(
        r"(?:docker|podman|nerdctl|buildah|skopeo|crane|oras|helm registry|helm|oc|az|az acr|cf|"
        r"npm|ibmcloud|gh|ecr)[ \t]+(?:registry[ \t]+|acr[ \t]+)?login",
        r"-p[ \t]+|-t[ \t]+",
    ),
    _command(
        r"mongo\w*|cqlsh|clickhouse-client|influx|nats|ldap\w+|rabbitmqadmin"
        r"|ipmitool|sqlcmd|bcp|xfreerdp|rdesktop|bw|unrar|rar|tsh",
        r"-p[ \t]*|-P[ \t]*|-w[ \t]+|/p:",
    ),
    _command(r"redis-cli|valkey-cli", r"-a[ \t]+"),
    _command(r"zip|unzip|7za?|7zr", r"-P[ \t]*|-p"),
    _command(r"openssl", r"-k[ \t]+|-K[ \t]+|-pass(?:in|out)?[ \t]+pass:"),
    _command(r"vault[ \t]+login|op[ \t]+signin", r""),
    _command(r"htpasswd[ \t]+-\w*b\w*[ \t]+\S+[ \t]+\S+", r""),
    _command(r"net[ \t]+use", r"/user:\S+[ \t]+"),
    _command(r"wpa_passphrase[ \t]+\S+", r""),
    r"(?i:convertto-securestring)(?:[ \t]+-string)?[ \t]+" + _ARGUMENT,
    r"(?i:fromstdin|aws_secret_access_key|aws configure set \w*(?:secret|token)\w*)[ \t]+"
    + _ARGUMENT,
    r"(?i:identified[ \t]+(?:with[ \t]+\S+[ \t]+)?by(?:[ \t]+password)?[ \t]+|\bpassword\([ \t]*)"
    + _ARGUMENT,
    r"(?i:enable secret|secret|password)[ \t]+[05789][ \t]+" + _ARGUMENT,
    r"snmp(?:-server)?[ \t]+community[ \t]+" + _ARGUMENT,
    r"rclone[ \t]+obscure[ \t]+" + _ARGUMENT,
    _command(r"bw[ \t]+unlock|bw[ \t]+login[ \t]+\S+|vault[ \t]+operator[ \t]+unseal", r""),
    _command(r"htpasswd[ \t]+-\w*n\w*b?[ \t]+\S+", r""),
    _command(r"snmp\w+", r"-[AXc][ \t]+"),
    _command(
        r"mc|mcli|minio-mc",
        r"(?:alias[ \t]+set|config[ \t]+host[ \t]+add)[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+",
    ),
    _command(r"iwconfig", r"key[ \t]+(?:s:)?"),
    _command(r"poetry[ \t]+config", r"(?:http-basic\.\S+[ \t]+\S+|pypi-token\.\S+)[ \t]+"),
    r"_auth(?:token)?[ \t]+" + _ARGUMENT,
    r"(?i:_auth(?:token)?[ \t]+)(?P<secret>[A-Za-z0-9+/=_-]{16,})",
    r"lftp[ \t](?:[^\n|;&]*?[ \t])?-u[ \t]*[^\s,]+,(?P<secret>[^\s]+)",
    # What a shell hands to a program that asks for a password.
    r"(?:passw?d?|secret|login|signin|kinit|key|token|auth|unlock|su|sudo)[^\n|;&]{0,40}<<<[ \t]*"
    + _ARGUMENT,
    r"(?:pass|key|secret|token)[\w-]*[ =]<\((?:echo|printf)[ \t]+(?P<secret>[^)\n]+)\)",
    r"-?-pass\w*-command[ =][\"'](?:echo|printf)[ \t]+(?P<secret>[^\"'\n]+)[\"']",
    # A user and a password as arguments of a call.
    r"(?:login|auth|authenticate|sign_?in|connect|begin"
    r"|[sS]et[pP]assword)\([ \t]*[\"'][^\"'\n]{0,60}[\"'][ \t]*,[ \t]*"
    r"[\"'](?P<secret>[^\"'\n]{5,})[\"'][ \t]*\)",
    r"(?i:password|passwd)[ \t]*=[ \t]*(?i:md5|sha\d*|crypt|hash|encode|digest"
    r"|password)\([ \t]*'(?P<secret>[^'\n]+)'",
    r":\d+:[0-9a-fA-F]{32}:(?P<secret>[0-9a-fA-F]{32}):::",
    r"(?i:net[ \t]+user[ \t]+\S+[ \t]+)(?P<secret>[^\s/*]\S*)[ \t]+/",
    _command(r"gh[ \t]+secret", r"--body[ =]|-b[ \t]*"),
    r"auth[ \t]*=[ \t]*\([ \t]*[\"'][^\"'\n]*[\"'][ \t]*,[ \t]*[\"'](?P<secret>[^\"'\n]+)[\"']",
    r"(?:echo|printf)[ \t]+(?:-n[ \t]+)?(?P<secret>\"[^\"\n]*\"|'[^'\n]*'|\S+)[ \t]*\|[ \t]*"
    r"(?:sudo[ \t]+-\w*S|docker[ \t]+login|passwd|gh[ \t]+auth"
    r"|\S+[ \t]+[^\n|]*--?(?:password|pass|token|with-token)[\w-]*)",
    r"[\w.-]+:(?P<secret>[^\s:\"']+)[\"']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd",
    # Files of programs: .netrc, .pgpass, htpasswd and shadow.
    r"(?:login|user|account)[ \t]+\S+\s+password[ \t]+(?P<secret>\S+)",
    r"(?:^|[\s\"'=>])(?:localhost|\*|[\w-]+(?:\.[\w-]+)+):(?:\d{1,5}|\*):[\w*-]+:[\w.*@-]+:"
    r"(?P<secret>[^\s:]\S*)",
    r"[\w.-]+:(?P<secret>\$(?:apr1|2[aby]|[1567y]|argon2\w+|gy|scrypt)\$[^\s:]+)",
    r"(?i:sqlplus|sqlldr|impdp?|expdp?|rman target|:thin:)[ \t]*(?:-\w+[ \t]+)*\w+/"
    r"(?P<secret>[^\s@]+)@",
    # Hashes of passwords, wherever they are.
    r"(?P<secret>\$(?:apr1|2[abxy]|[156y]|argon2\w+|gy|scrypt)\$[^\s:\"'<>]{20,})",
    r"(?P<secret>pbkdf2_sha\d+\$\d+\$[^\s:\"'<>]{20,})",
    # The secret beside the id that it belongs to.
    r"(?:AKIA|ASIA)[A-Z0-9]{16}[^A-Za-z0-9](?:[^\n]{0,40}?[^A-Za-z0-9+/\n])?"
    r"(?P<secret>[A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/=]|$)",
    r"AC[0-9a-f]{32}[^A-Za-z0-9](?:[^\n]{0,40}?[^A-Za-z0-9\n])?"
    r"(?P<secret>[0-9a-f]{32})(?:[^A-Za-z0-9]|$)",
    # Braces of ODBC and Maven, which are no placeholder's.
    r"(?i:pwd|password|passphrase)[=>\"' ]{1,3}\{(?P<secret>[^{}\n]*[0-9][^{}\n]*)\}(?:;|<|$)",
    # Names that stand apart from their value.
    r"from-literal[= ][\"']?[\w.-]+=" + _ARGUMENT,
    r"variable[ \t]+\"[^\"\n]*(?i:passw|secret|token|key)[^\"\n]*\"[ \t]*\{[^{}]{0,200}?"
    r"default[ \t]*=[ \t]*\"(?P<secret>[^\"\n]+)\"",
    r"WIFI:[^\n]{0,100}?P:(?P<secret>[^;\n]+);",
    # Groups of characters, as people are shown them.
    r"(?i:2fa|totp|otp|mfa|authenticator)[^\n]{0,20}?[ :=]"
    r"(?P<secret>(?:[A-Z2-7]{4}[ -]){3,}[A-Z2-7]{4})",
    r"(?i:recovery|backup)[ _-](?i:codes?)[ \t]*[:=]\s*"
    r"(?P<secret>[A-Za-z0-9]{4,}-[A-Za-z0-9]{4,}(?:[\s,]+[A-Za-z0-9]{4,}-[A-Za-z0-9]{4,})*)",
    # A key of JSON Web Keys.
    r"\"[dk]\"[ \t]*:[ \t]*\"(?P<secret>[A-Za-z0-9_-]{32,})\"",
    # A Docker or npm login in base64.
    r"(?:_auth|\"auth\")[ \t]*[:=][ \t]*\"?(?P<secret>[A-Za-z0-9+/=]{8,})",
)

URL = (
    r"(?:^|[^A-Za-z0-9])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^\s/?#:@\"'<>]*)"
    r"(?::(?P<in_url>[^\s/?#\"'<>]+))?@"
)
URL_WITH_SLASH = (
    r"(?i:(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|jdbc|ftps?"
    r"|sftp|smtps?|ldaps?"
    r"|clickhouse|oracle|sqlserver|cockroachdb)(?:[+:][a-z0-9+]+)?)://[^\s/:@\"'<>]*:"
    r"(?P<in_url>[^\s\"'<>]+)@[\w.\[-]"
)
MANIFEST = r"(?m:^)kind:[ \t]*Secret\b"
TOLD_LOGIN = (
    r"(?i:log[- ]?in|sign[- ]?in|credentials?|creds|account|access"
    r"|user)(?:[ \t](?:is|are|as|with))?:?"
    r"[ \t]\(?[\w.@+-]+[ \t]?[/:|][ \t]?(?P<in_url>[^\s\"'<>/@]{5,})"
)
BARE_LOGIN = (
    r"(?:^|[\s\"'=(<>])[A-Za-z][\w.-]*:(?P<in_url>[^\s:@/\"'<>]+)@"
    r"(?:(?:tcp|unix)\(|localhost|\d{1,3}(?:\.\d{1,3}){3}|[\w-]+(?:\.[\w-]+)*(?::\d|/))"
)
PGPASS = r"(?:^|\s)[\w-]+:\d{4,5}:[\w*-]+:[\w.*@-]+:(?P<in_url>[^\s:]{5,})"

PROGRAMS = (
    r"curl|https?|xh|httpie|ab|siege|hey|smbclient|rpcclient|smbmap|mysql\w*|mariadb[\w-]*|mycli"
    r"|sshpass|ssh-keygen"
    r"|docker|podman|nerdctl|buildah|skopeo|crane|oras|helm|oc|az|cf|npm|ibmcloud|gh|ecr"
    r"|mongo\w*|cqlsh|clickhouse-client|influx|nats|ldap\w+|rabbitmqadmin|ipmitool|sqlcmd|bcp"
    r"|xfreerdp|rdesktop|bw|unrar|rar|tsh|redis-cli|valkey-cli|zip|unzip|7za?|7zr|openssl|vault|op"
    r"|htpasswd|net|wpa_passphrase|rclone|snmp\w+|mc|mcli|iwconfig|poetry|lftp|wandb|cargo|snyk"
)
"""All programs of the commands above."""

_logins = [Pattern(each) for each in LOGINS]
_commands = [Pattern(each) for each in COMMANDS]
_url, _url_with_slash, _login, _told, _pgpass = map(
    Pattern, (URL, URL_WITH_SLASH, BARE_LOGIN, TOLD_LOGIN, PGPASS)
)
_handed = Pattern(
    r"(?:^|[ \t])(?:login|auth|authtoken|add-authtoken|unlock|unseal|activate|service install"
    r"|(?:auth init|nuget push|gem push|deploy|setapikey)[^\n|;&]{0,60}?[ \t](?:-t|-k|--key|--auth)"
    r"|-D[\w.]+\.login)[ \t=]+(?P<handed>[A-Za-z0-9+/_=.:-]{16,})"
)
# A user and a password as options of whatever program.
_options = Pattern(
    r"[ \t](?:-u|--user(?:name)?)[ =]?\S+[ \t](?:[^\n|;&]*?[ \t])?"
    r"-p[ \t]*(?P<password>[^\s\"'|;&<>-][^\s\"'|;&<>]*)"
)
_insert = Pattern(
    r"(?i:insert into [^\n()]{1,60}\([^()]{0,200}(?:passw|secret|token|pwd|api_?key)[^()]{0,200}\)"
    r"\s*values\s*)(?P<values>\([^\n]{1,500})"
)
_LITERALS = ValuePattern(r"'([^'\n]{5,})'")
_UUID = ValuePattern(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_manifest = Pattern(MANIFEST)
_datum = Pattern(r"(?m:^)[ \t]+[\w.-]+:[ \t]*(?P<secret>[A-Za-z0-9+/]{6,}={0,2})(?m:$)")
_PORT = ValuePattern(r"\d{1,5}(?:/|$)")

_any_command = Pattern(re.sub(r"\(\?P<\w+>", "(?:", "|".join((*LOGINS, *COMMANDS))))

HINTS = (
    rf"(?:^|[^A-Za-z0-9_-])(?:{PROGRAMS})(?:\.exe)?[ \t]",
    r"(?i:convertto-securestring|fromstdin|aws_secret_access_key|aws configure set|<<<|<\("
    r"|-command|_auth(?:token)?[ \t]|:::|identified[ \t]"
    r"|password[ \t]*\(|(?:secret|password)[ \t]+[05789][ \t]|community[ \t]|net[ \t]+user)",
    r"[ \t](?:-u|--user(?:name)?)[ =]?\S+[ \t][^\n]*-p|(?:login|auth|authenticate|sign_?in"
    r"|connect|begin|assword)"
    r"\([ \t]*[\"']|(?i:md5|sha\d*|crypt|hash|encode|digest)\([ \t]*'",
    r"(?:login|auth|authtoken|add-authtoken|unlock|unseal|activate|service install|--auth|-t"
    r"|--key|-k)"
    r"[ \t]+[A-Za-z0-9+/_=.:-]{16}",
    r"(?i:insert into)|-D[\w.]+\.login",
    r"\|[ \t]*(?:sudo|docker|passwd|gh|chpasswd)\b|[ \t]--?(?:pass|token|with-token)",
    r"auth[ \t]*=[ \t]*\(|(?:_auth|\"auth\")[ \t]*[:=]|\"[dk]\"[ \t]*:[ \t]*\""
    r"|[ \t\n]password[ \t]",
    r":(?:\d{1,5}|\*):[\w*-]+:[\w.*@-]+:|:\$(?:apr1|2[aby]|[1567y]|argon2|gy|scrypt)",
    r"\$(?:apr1|2[abxy]|[156y]|argon2\w+|gy|scrypt)\$|pbkdf2_sha",
    r"AC[0-9a-f]{32}|from-literal|variable[ \t]+\"|WIFI:"
    r"|(?i:2fa|totp|otp|mfa|authenticator)[ :_-]|(?i:recovery|backup)[ _-](?i:code)",
    r"(?i:sqlplus|sqlldr|impdp?|expdp?|rman target|:thin:)[ \t/]?",
    r"://[^\s\"'<>]*@|:[^\s:@/\"'<>]+@",
    TOLD_LOGIN.replace("(?P<in_url>", "(?:"),
    MANIFEST,
)


def in_commands(text: str) -> Iterator[Range]:
    """Yield where passwords are in command lines and in the files of programs."""
    if not _any_command.in_text(text):
        return
    for pattern in _commands:
        for found in pattern.finditer(text):
            start, end = _within_quotes(text, *found["secret"])
            value = text[start:end]
            kept = harmless(value, numbers=False) or is_path(value) or is_prose(value)
            if not (kept or value.startswith(("--", "-method"))):
                yield start, end
    for pattern in _logins:
        for found in pattern.finditer(text):
            start, end = _within_quotes(text, *found["secret"])
            user, _, password = re.sub("[:%]", "\0", text[start:end], count=1).partition("\0")
            if password and not harmless(password, numbers=False):
                yield start + len(user) + 1, end


def in_logins(text: str) -> Iterator[Range]:
    """Yield what programs that are not known here are given to log in, and what SQL inserts."""
    for found in _handed.finditer(text):
        start, end = found["handed"]
        value = text[start:end]
        if _UUID.fullmatch(value) or (looks_random(value) and not is_path(value)):
            yield start, end
    for found in _options.finditer(text):
        start, end = found["password"]
        if looks_chosen(text[start:end]) and not harmless(text[start:end]):
            yield start, end
    for found in _insert.finditer(text):
        for literal in _LITERALS.finditer(text[slice(*found["values"])]):
            if looks_chosen(literal[1]) or looks_random(literal[1]):
                start = found["values"][0]
                yield start + literal.start(1), start + literal.end(1)


def in_manifests(text: str) -> Iterator[Range]:
    """Yield the values of a Kubernetes secret, whose names may be anything."""
    if _manifest.in_text(text):
        for found in _datum.finditer(text):
            yield found["secret"]


def in_urls(text: str) -> Iterator[Range]:
    """Yield where passwords and tokens are before the host of a URL."""
    for pattern, is_password in (
        (_url, lambda password: True),
        (_url_with_slash, lambda password: not _PORT.match(password)),
        (_login, looks_chosen),
        (_told, looks_chosen),
        (_pgpass, looks_chosen),
    ):
        for found in pattern.finditer(text):
            start, end = found.get("in_url") or found["user"]
            is_secret = is_password if "in_url" in found else looks_random
            if is_secret(text[start:end]) and not harmless(text[start:end], numbers=False):
                yield start, end


def _within_quotes(text: str, start: int, end: int) -> Range:
    quoted = end - start > 1 and text[start] in "\"'" and text[end - 1] == text[start]
    return (start + 1, end - 1) if quoted else (start, end)


FINDERS = (in_commands, in_logins, in_manifests, in_urls)
