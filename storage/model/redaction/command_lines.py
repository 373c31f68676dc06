"""Secrets in command lines, where no name stands before them: `curl -u ann:…`, `zip -P …`."""

import re
from collections.abc import Iterator

from storage.model.redaction.patterns import Finders, Patterns, Range, ValuePattern
from storage.model.redaction.urls import is_filler, is_token
from storage.model.redaction.values import (
    harmless,
    is_path,
    is_prose,
    looks_chosen,
    looks_random,
    within_quotes,
)

_GAP = r"[^\n|;&]*?[ \t]"
_ARGUMENT = r"(?P<secret>\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'|;&<>][^\s\"'|;<>]*)"
_EDGE = r"(?:^|[^A-Za-z0-9_-])"


def _command(programs: str, options: str) -> str:
    """Match the argument of one of the *options* of one of the *programs*."""
    return rf"{_EDGE}(?:{programs})(?:\.exe)?[ \t](?:{_GAP})?(?:{options}){_ARGUMENT}"


LOGINS = (
    _command(
        r"curl|https?|xh|httpie|ab|siege|hey",
        r"-[a-zA-Z]{0,5}u[ \t]*|--user[ =]|-U[ \t]*|--proxy-user[ =]"
        r"|-a[ \t]+|-A[ \t]+|--auth[ =]",
    ),
    _command(r"smbclient|rpcclient|smbmap|winexe|pth-winexe", r"-U[ \t]*|--user[ =]"),
    _command(
        r"etcdctl|consul|osqueryi|svnsync|siege|wrk|k6|grpcurl|websocat", r"-u[ \t]*|--user[ =]"
    ),
    _command(r"bundler?[ \t]+config(?:[ \t]+set)?(?:[ \t]+--\w+)*[ \t]+[\w.-]+\.[\w.-]+", r""),
)
"""Command lines in which a user and a password are one argument. The password is hidden."""

COMMANDS = (
    # Databases
    _command(r"mysql\w*|mariadb[\w-]*|mycli", r"-p"),
    _command(
        r"mongo\w*|cqlsh|clickhouse-client|influx|nats|ldap\w+|rabbitmqadmin|ipmitool"
        r"|sqlcmd|bcp|xfreerdp|rdesktop|bw|unrar|rar|tsh",
        r"-p[ \t]*|-P[ \t]*|-w[ \t]+|/p:",
    ),
    _command(
        r"mosquitto_\w+|snowsql|tsql|osql|isql|beeline|nzsql|psexec\w*|nxc|netexec|crackmapexec|evil-winrm"
        r"|hydra|racadm|altool|saslpasswd2|kinit|dsquery|bteq|vsql|impala-shell|presto|trino",
        r"-p[ \t]+|-P[ \t]*|-pw[ \t]+",
    ),
    _command(r"plink|pscp|psftp|putty|kitty|winscp", r"-pw[ \t]+"),
    _command(r"cmdkey|runas|wmic|schtasks|net", r"/(?:pass|password|rp)[: \t]"),
    _command(r"security", r"-[pP][ \t]+"),
    _command(r"x11vnc|vncpasswd", r"-(?:passwd|f)[ \t]+"),
    _command(
        r"influx|codecov(?:cli)?|surge|railway|flyctl|fly|netlify|vercel|expo|eas", r"-t[ \t]+"
    ),
    r"(?i:connect[ \t]+to[ \t]+\S+[ \t]+user[ \t]+\S+[ \t]+using[ \t]+)" + _ARGUMENT,
    r"rabbitmqctl[ \t][^\n|;&]{0,40}?(?:add_user|change_password)[ \t]+\S+[ \t]+" + _ARGUMENT,
    _command(r"redis-cli|valkey-cli", r"-a[ \t]+"),
    r"(?i:sqlplus|sqlldr|impdp?|expdp?|rman target|:thin:)[ \t]*(?:-\w+[ \t]+)*\w+/"
    r"(?P<secret>[^\s@]+)@",
    # Registries, clouds and password managers
    _command(
        r"(?:docker|podman|nerdctl|buildah|skopeo|crane|oras|helm registry|helm|oc|az|az acr|cf"
        r"|npm|ibmcloud|gh|ecr)[ \t]+(?:registry[ \t]+|acr[ \t]+)?login",
        r"-p[ \t]+|-t[ \t]+",
    ),
    _command(r"vault[ \t]+login|op[ \t]+signin", r""),
    _command(r"bw[ \t]+unlock|bw[ \t]+login[ \t]+\S+|vault[ \t]+operator[ \t]+unseal", r""),
    _command(r"gh[ \t]+secret", r"--body[ =]|-b[ \t]*"),
    _command(r"poetry[ \t]+config", r"(?:http-basic\.\S+[ \t]+\S+|pypi-token\.\S+)[ \t]+"),
    _command(
        r"mc|mcli|minio-mc",
        r"(?:alias[ \t]+set|config[ \t]+host[ \t]+add)[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+",
    ),
    r"(?i:aws_secret_access_key|aws configure set \w*(?:secret|token)\w*)[ \t]+" + _ARGUMENT,
    r"(?:--secret-string[ =]|SecureString[^\n|;&]*?[ \t]--value[ =])" + _ARGUMENT,
    r"put-parameter[^\n|;&]*?[ \t]--value[ =]" + _ARGUMENT + r"[^\n|;&]*?SecureString",
    r"from-literal[= ][\"']?[\w.-]+=" + _ARGUMENT,
    r"_auth(?:token)?[ \t]+" + _ARGUMENT,
    r"(?i:_auth(?:token)?[ \t]+)(?P<secret>[A-Za-z0-9+/=_-]{16,})",
    # Archives, keys and hashes
    _command(r"zip|unzip|7za?|7zr", r"-P[ \t]*|-p"),
    *(_command(r"openssl", rf"-pass{which}[ \t]+pass:") for which in ("", "in", "out")),
    _command(r"openssl", r"-k[ \t]+|-K[ \t]+"),
    *(_command(r"ssh-keygen", rf"-{option}[ \t]+") for option in "NP"),
    _command(r"signtool", r"/p[ \t]+"),
    _command(r"htpasswd[ \t]+-\w*b\w*[ \t]+\S+[ \t]+\S+", r""),
    _command(r"htpasswd[ \t]+-\w*n\w*b?[ \t]+\S+", r""),
    r"rclone[ \t]+obscure[ \t]+" + _ARGUMENT,
    r"oathtool[ \t][^\n|;&]*?(?P<secret>[A-Z2-7]{16,}=*)",
    # Hosts and networks
    _command(r"sshpass", r"-p[ \t]*"),
    _command(r"useradd|usermod", r"-p[ \t]+"),
    _command(r"net[ \t]+use", r"/user:\S+[ \t]+"),
    r"net[ \t]+use[ \t]+(?:\w:[ \t]+)?\\\\\S+[ \t]+(?P<secret>[^\s/*]\S*)[ \t]+/",
    r"(?i:net[ \t]+user[ \t]+\S+[ \t]+)(?P<secret>[^\s/*]\S*)[ \t]+/",
    _command(r"wpa_passphrase[ \t]+\S+", r""),
    _command(r"iwconfig", r"key[ \t]+(?:s:)?"),
    *(_command(r"snmp\w+", rf"-{option}[ \t]+") for option in "AXc"),
    r"snmp(?:-server)?[ \t]+community[ \t]+" + _ARGUMENT,
    r"(?i:enable secret|secret|password)[ \t]+[05789][ \t]+" + _ARGUMENT,
    r"lftp[ \t](?:[^\n|;&]*?[ \t])?-u[ \t]*[^\s,]+,(?P<secret>[^\s]+)",
    # PowerShell
    r"(?i:convertto-securestring)(?:[ \t]+-(?i:string|asplaintext|force))*[ \t]+" + _ARGUMENT,
    r"(?i:fromstdin)[ \t]+" + _ARGUMENT,
    # What a shell hands to a program that asks for a password: <<<, <(echo …), echo … |
    r"(?i:passw?d?|secret|login|signin|kinit|key|token|auth|unlock|su|sudo)[^\n|;&]{0,40}<<<[ \t]*"
    + _ARGUMENT,
    r"(?:pass|key|secret|token)[\w-]*[ =]<\((?:echo|printf)[ \t]+(?P<secret>[^)\n]+)\)",
    r"-?-pass\w*-command[ =][\"'](?:echo|printf)[ \t]+(?P<secret>[^\"'\n]+)[\"']",
    r"(?:echo|printf)[ \t]+(?:-n[ \t]+|[\"']?%s(?:\\n)?[\"']?[ \t]+)?"
    r"(?P<secret>\"[^\"\n]*\"|'[^'\n]*'|\S+)[ \t]*\|[ \t]*"
    r"(?:sudo[ \t]+-\w*S|docker[ \t]+login|passwd|gh[ \t]+auth"
    r"|\S+[ \t]+[^\n|]*--?(?:password|pass|token|with-token)[\w-]*)",
    r"(?:echo|printf)[ \t]+(?:-\w+[ \t]+)*[\"'](?:[^\"'\n]*(?:\\n|\n))*"
    r"(?P<secret>[^\"'\\\n]+)(?:\\n|\n)*[\"'][ \t]*\|[ \t]*(?:sudo[ \t]+)?"
    r"(?:smbpasswd|passwd|saslpasswd2|kinit|vncpasswd|cryptsetup|su)\b",
    r"(?:(?i:acl[ \t]+setuser)|(?:^|\n)user)[ \t]+\S+[ \t](?:[^\n]*?[ \t])?>" + _ARGUMENT,
    r"[\w.-]+:(?P<secret>[^\s:\"']+)[\"']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd",
)

PROGRAMS = (
    r"curl|https?|xh|httpie|ab|siege|hey|smbclient|rpcclient|smbmap|mysql\w*|mariadb[\w-]*|mycli"
    r"|sshpass|ssh-keygen|signtool|useradd|usermod|oathtool"
    r"|docker|podman|nerdctl|buildah|skopeo|crane|oras|helm|oc|az|cf|npm|ibmcloud|gh|ecr|aws"
    r"|mongo\w*|cqlsh|clickhouse-client|influx|nats|ldap\w+|rabbitmq\w+|ipmitool|sqlcmd|bcp"
    r"|xfreerdp|rdesktop|bw|unrar|rar|tsh|redis-cli|valkey-cli|zip|unzip|7za?|7zr|openssl|vault|op"
    r"|htpasswd|net|wpa_passphrase|rclone|snmp\w+|mc|mcli|iwconfig|poetry|lftp|wandb|cargo|snyk"
    r"|winexe|pth-winexe|etcdctl|consul|osqueryi|grpcurl|websocat|bundler?|mosquitto_\w+|snowsql|tsql|osql"
    r"|isql|beeline|nzsql|psexec\w*|nxc|netexec|crackmapexec|evil-winrm|hydra|racadm|altool|saslpasswd2"
    r"|bteq|vsql|impala-shell|plink|pscp|psftp|putty|winscp|cmdkey|schtasks|wmic|security|x11vnc"
    r"|codecov(?:cli)?|surge|railway|flyctl|fly|netlify|vercel"
)
"""All programs of the commands above."""

HINTS = (
    rf"{_EDGE}(?:{PROGRAMS})(?:\.exe)?[ \t]",
    r"(?i:convertto-securestring|fromstdin|aws_secret_access_key|aws configure set)",
    r"<<<|<\(|-command|from-literal|SecureString|--secret-string|(?i:_auth(?:token)?[ \t])",
    r"(?i:(?:secret|password)[ \t]+[05789][ \t]|community[ \t]|net[ \t]+user)",
    r"[ \t](?:-u|--user(?:name)?)[ =]?\S+[ \t][^\n]*-[pPw]",
    r"(?:login|auth|authtoken|add-authtoken|unlock|unseal|activate|service install"
    r"|--auth|-t|--key|-k)[ \t]+[A-Za-z0-9+/_=.:-]{16}|-D[\w.]+\.login",
    rf"{_EDGE}AUTH[ \t]",
    r"\|[ \t]*(?:sudo|docker|passwd|gh|chpasswd|smbpasswd|saslpasswd2|kinit|vncpasswd"
    r"|cryptsetup|su)\b|[ \t]--?(?:pass|token|with-token)",
    r"(?i:sqlplus|sqlldr|impdp?|expdp?|rman target|:thin:)[ \t/]?|[ \t]using[ \t]",
    r"(?i:setuser|(?:^|\n)user)[ \t][^\n]{1,60}[ \t]>",
    r"(?:setx|set[ \t]+-\w{1,3}|ENV|env[ \t]+add)[ \t]+[A-Z][A-Z0-9_]*_(?:KEY|AUTH|PAT)[ \t]",
    r"[ \t/](?:LOGIN|login)[ \t]+[\w.@+-]+[ \t]|(?i:nickserv)",
)

# What programs that are not known here are given to log in.
HANDED = (
    r"(?:^|[ \t])(?:login|auth|authtoken|add-authtoken|unlock|unseal|activate|service install"
    r"|(?:auth init|nuget push|gem push|deploy|setapikey)[^\n|;&]{0,60}?[ \t](?:-t|-k|--key|--auth)"
    r"|-D[\w.]+\.login)[ \t=]+(?P<handed>[A-Za-z0-9+/_=.:-]{16,})"
)
# A variable of the environment that is set without a sign.
SET = (
    r"(?:^|[ \t])(?:setx|set[ \t]+-\w{1,3}|ENV|env[ \t]+add)[ \t]+[A-Z][A-Z0-9_]*_(?:KEY|AUTH|PAT)"
    r"[ \t]+[\"']?(?P<handed>[A-Za-z0-9+/_=.:-]{16,})"
)
CHOSEN = (
    # A user and a password as options of whatever program.
    r"[ \t](?:-u|--user(?:name)?)[ =]?\S+[ \t](?:[^\n|;&]*?[ \t])?"
    r"-[pPw][ \t]*(?P<secret>[^\s\"'|;&<>-][^\s\"'|;&<>]*)",
    rf"{_EDGE}AUTH[ \t]+(?:\w+[ \t]+)?(?P<secret>[^\s<\"'\\]+)",  # Redis
    # A cookie. What has no `=` is the name of a file.
    rf"{_EDGE}curl[ \t](?:{_GAP})?(?:-b|--cookie)[ \t=]*[\"']?[\w.-]+=(?P<secret>[^\s\"';]+)",
    # IMAP, IRC and bots
    r"(?:^|\s)(?:[A-Za-z]?\d{1,4}[ \t]+LOGIN|(?:imap|smtp|ftp)[ \t]+login|/login)[ \t]+"
    r"[\w.@+-]+[ \t]+" + _ARGUMENT,
    r"(?i:nickserv[ \t]+identify[ \t]+(?:\S+[ \t]+)?)" + _ARGUMENT,
)
_logins, _commands, _chosen = Patterns(LOGINS), Patterns(COMMANDS), Patterns(CHOSEN)
_handed = Patterns((HANDED, SET))
_UUID = ValuePattern(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def in_commands(text: str) -> Iterator[Range]:
    """Yield the passwords that known programs are given."""
    for found in _commands.finditer(text):
        start, end = within_quotes(text, *found["secret"])
        value = text[start:end]
        kept = harmless(value, numbers=False) or is_path(value) or is_prose(value)
        if not (kept or value.startswith(("--", "-method"))):
            yield start, end
    for found in _logins.finditer(text):
        start, end = within_quotes(text, *found["secret"])
        user, _, password = re.sub("[:%]", "\0", text[start:end], count=1).partition("\0")
        if is_token(user):
            yield start, start + len(user)
        if password and not is_filler(password):
            yield start + len(user) + 1, end


def handed(text: str) -> Iterator[Range]:
    """Yield what programs that are not known here are given to log in."""
    for found in _handed.finditer(text):
        start, end = found["handed"]
        value = text[start:end]
        if _UUID.fullmatch(value) or (looks_random(value) and not is_path(value)):
            yield start, end
    for found in _chosen.finditer(text):
        start, end = found["secret"]
        if looks_chosen(text[start:end]) and not harmless(text[start:end]):
            yield start, end


FINDERS: Finders = {in_commands: (*LOGINS, *COMMANDS), handed: (HANDED, SET, *CHOSEN)}
