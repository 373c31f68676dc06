"""Secrets in the files of programs and in notations: `.pgpass`, shadow, SQL, HTML, manifests."""

from collections.abc import Iterator

from storage.model.redaction.patterns import Finders, Pattern, Patterns, Range, ValuePattern
from storage.model.redaction.values import (
    harmless,
    is_path,
    is_prose,
    looks_chosen,
    looks_random,
    within_quotes,
)

_QUOTED = r"(?P<secret>\"[^\"\n]+\"|'[^'\n]+')"
_STRING = r"(?P<secret>\"[^\"\n]+\"|'[^'\n]+'|[^\s\"'|;&<>][^\s\"'|;<>]*)"

FORMATS = (
    # .netrc
    r"(?:login|user|account)[ \t]+\S+\s+password[ \t]+(?P<secret>\S+)",
    # .pgpass: host:port:database:user:password
    r"(?:^|[\s\"'=>])(?:localhost|\*|[\w-]+(?:\.[\w-]+)+):(?:\d{1,5}|\*):[\w*-]+:[\w.*@-]+:"
    r"(?P<secret>[^\s:]\S*)",
    # htpasswd and shadow: user:hash
    r"[\w.-]+:(?P<secret>\$(?:apr1|2[aby]|[1567y]|argon2\w+|gy|scrypt)\$[^\s:]+)",
    # Hashes of passwords, wherever they are.
    r"(?P<secret>\$(?:apr1|2[abxy]|[156y]|argon2\w+|gy|scrypt)\$[^\s:\"'<>]{20,})",
    r"(?P<secret>pbkdf2_sha\d+\$\d+\$[^\s:\"'<>]{20,})",
    # A dump of Windows: user:id:LM:NT:::
    r":\d+:[0-9a-fA-F]{32}:(?P<secret>[0-9a-fA-F]{32}):::",
    r"(?P<secret>SCRAM-SHA-(?:1|256|512)\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=:]+)",
    # Logins of Bundler: BUNDLE_GEMS__ACME__COM
    r"BUNDLE_[A-Z0-9]+(?:_+[A-Z0-9]+)*__[A-Z0-9]+[\"']?[=:][ \t]*[\"']?"
    r"(?P<secret>[^\s\"']{6,})",
    # Whoever has it can guess the password of a vault at their leisure.
    r"\$ANSIBLE_VAULT;[\d.]+;AES256(?:;[\w-]+)?\s+(?P<secret>[0-9a-f]{40,}(?:\s+[0-9a-f]{2,80})*)",
    # A Docker or npm login in base64.
    r"(?:_auth|\"auth\")[ \t]*[:=][ \t]*\"?(?P<secret>[A-Za-z0-9+/=]{8,})",
    # The private number of a JSON Web Key.
    r"\"[dk]\"[ \t]*:[ \t]*\"(?P<secret>[A-Za-z0-9_-]{32,})\"",
    # The code of a wireless network.
    r"WIFI:[^\n]{0,100}?P:(?P<secret>[^;\n]+);",
    # SQL
    r"(?i:identified[ \t]+(?:with[ \t]+\S+[ \t]+)?by(?:[ \t]+password)?[ \t]+)" + _STRING,
    r"(?i:\bpassword\([ \t]*)" + _QUOTED,
    r"(?i:password|passwd)[ \t]*=[ \t]*(?i:md5|sha\d*|crypt|hash|encode|digest|password)"
    r"\([ \t]*'(?P<secret>[^'\n]+)'",
    # Terraform: the name of a variable stands apart from its default.
    r"variable[ \t]+\"[^\"\n]*(?i:pass|pw|secret|token|key)[^\"\n]*\"[ \t]*\{[^{}]{0,200}?"
    r"default[ \t]*=[ \t]*\"(?P<secret>[^\"\n]+)\"",
    # A field of a form, as it is sent.
    r"name=\"[^\"\n]*(?i:passw|pwd|secret|token)[^\"\n]*\"\r?\n\r?\n(?P<secret>[^\s-][^\r\n]*)",
    # Braces of ODBC and Maven, which are no placeholder's.
    r"(?i:pwd|password|passphrase)[=>\"' ]{1,3}\{(?P<secret>[^{}\n]*[0-9][^{}\n]*)\}(?:;|<|$)",
    # The secret beside the id that it belongs to: AWS and Twilio.
    r"(?:AKIA|ASIA)[A-Z0-9]{16}[^A-Za-z0-9](?:[^\n]{0,40}?[^A-Za-z0-9+/\n])?"
    r"(?P<secret>[A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/=]|$)",
    r"AC[0-9a-f]{32}[^A-Za-z0-9](?:[^\n]{0,40}?[^A-Za-z0-9\n])?"
    r"(?P<secret>[0-9a-f]{32})(?:[^A-Za-z0-9]|$)",
    # Groups of characters, as people are shown them, for licences, authenticators and accounts.
    r"(?:^|[^A-Za-z0-9-])(?P<secret>(?:[A-Z0-9]{5}-){4}[A-Z0-9]{5})(?:[^A-Za-z0-9-]|$)",
    r"(?i:2fa|totp|otp|mfa|authenticator)[^\n]{0,20}?[ :=]"
    r"(?P<secret>(?:[A-Z2-7]{4}[ -]){3,}[A-Z2-7]{4})",
    r"(?i:recovery|backup)[ _-](?i:codes?)[ \t]*[:=]\s*"
    r"(?P<secret>[A-Za-z0-9]{4,}-[A-Za-z0-9]{4,}(?:[\s,]+[A-Za-z0-9]{4,}-[A-Za-z0-9]{4,})*)",
)
MANIFEST = r"(?m:^)kind:[ \t]*Secret\b"
PLAIN_DATA = r"(?m:^)stringData:[ \t]*\r?\n"

FILLED_HINTS = (
    r"(?i:password|passwd|passphrase|secret|token|key)\"[ \t]*:\s*\{",
    r"(?i:login|auth|authenticate|sign_?in)\"[ \t]*,[ \t]*\"(?:params|arg)",
)
HINTS = (
    r"[ \t\n]password[ \t]",
    r":(?:\d{1,5}|\*):[\w*-]+:[\w.*@-]+:|:\$(?:apr1|2[aby]|[1567y]|argon2|gy|scrypt)|:::",
    r"\$(?:apr1|2[abxy]|[156y]|argon2\w+|gy|scrypt)\$|pbkdf2_sha|SCRAM-SHA-|BUNDLE_[A-Z]|\$ANSIBLE_VAULT",
    r"(?:_auth|\"auth\")[ \t]*[:=]|\"[dk]\"[ \t]*:[ \t]*\"|WIFI:",
    r"(?i:identified[ \t]|password[ \t]*\(|(?:md5|sha\d*|crypt|hash|encode|digest)\([ \t]*')",
    r"(?i:insert into)|variable[ \t]+\"|name=\"[^\"\n]*\"\r?\n",
    r"AC[0-9a-f]{32}|(?i:2fa|totp|otp|mfa|authenticator)[ :_-]|(?i:recovery|backup)[ _-](?i:code)",
    r"(?:[A-Z0-9]{5}-){4}",
    MANIFEST,
    PLAIN_DATA,
    *FILLED_HINTS,
)

_formats = Patterns(FORMATS)
INSERT = (
    r"(?i:insert into [^\n()]{1,60}\([^()]{0,200}(?:passw|secret|token|pwd|api_?key)[^()]{0,200}\)"
    r"\s*values\s*)(?P<values>\([^\n]{1,500})"
)
_insert = Pattern(INSERT)
# JSON in which the name of a secret and its value are apart.
FILLED = (
    r"\"[^\"\n]{0,40}(?i:passw(?:or)?d|passphrase|secret|token|(?:api|access|private)_?key)\""
    r"[ \t]*:\s*\{[^{}]{0,200}?\"(?:value|default)\"[ \t]*:[ \t]*\"(?P<filled>[^\"\n]{5,})\"",
    r"\"\w*(?i:login|auth|authenticate|sign_?in)\"[ \t]*,[ \t]*\"(?:params|args|arguments)\"[ \t]*:"
    r"[ \t]*\[[^\[\]\n]{0,80},[ \t]*\"(?P<filled>[^\"\s]{5,})\"[ \t]*\]",
)
_filled = Patterns(FILLED)
_LITERALS = ValuePattern(r"'([^'\n]{5,})'")
_plain_data = Pattern(PLAIN_DATA)
_plain_datum = ValuePattern(r"[ \t]+[\w.-]+:[ \t]*(\S[^\r\n]*)?(?:\r?\n|\Z)")
_datum = Pattern(r"(?m:^)[ \t]+[\w.-]+:[ \t]*(?P<secret>[A-Za-z0-9+/]{6,}={0,2})(?m:$)")


def in_formats(text: str) -> Iterator[Range]:
    """Yield secrets that are known by the notation around them."""
    for found in _formats.finditer(text):
        start, end = within_quotes(text, *found["secret"])
        value = text[start:end]
        if not (harmless(value, numbers=False) or is_path(value) or is_prose(value)):
            yield start, end


def inserted(text: str) -> Iterator[Range]:
    """Yield what SQL inserts into a column whose name is a secret's."""
    for found in _insert.finditer(text):
        start, end = found["values"]
        for literal in _LITERALS.finditer(text[start:end]):
            if looks_chosen(literal[1]) or looks_random(literal[1]):
                yield start + literal.start(1), start + literal.end(1)


def filled(text: str) -> Iterator[Range]:
    """Yield values of JSON objects that are named like a secret, and arguments of a login."""
    for found in _filled.finditer(text):
        start, end = found["filled"]
        value = text[start:end]
        if (looks_chosen(value) or looks_random(value)) and not harmless(value):
            yield start, end


def in_manifests(text: str) -> Iterator[Range]:
    """Yield the values of a Kubernetes secret, whose names may be anything."""
    for found in _datum.finditer(text):
        yield found["secret"]


def in_plain_manifests(text: str) -> Iterator[Range]:
    """Yield the values of a Kubernetes secret that are not in base64."""
    for found in _plain_data.finditer(text):
        line = _plain_datum.match(text, found[""][1])
        while line:
            if line[1] and line[1][0] not in "|>" and not harmless(line[1], numbers=False):
                start = line.start(1)
                yield within_quotes(text, start, start + len(line[1].rstrip()))
            line = _plain_datum.match(text, line.end()) if line.end() < len(text) else None


FINDERS: Finders = {
    in_formats: FORMATS,
    inserted: (INSERT,),
    filled: FILLED_HINTS,
    in_manifests: (MANIFEST,),
    in_plain_manifests: (PLAIN_DATA,),
}
