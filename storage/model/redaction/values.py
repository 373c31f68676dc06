"""Tell a secret from a placeholder, a type, code or a word of a sentence in the same place."""

from base64 import b64decode
from binascii import Error

from storage.model.redaction.patterns import ValuePattern
from storage.model.redaction.words import EMPTY, PROSE

LONGEST_PATH = 200
JUDGED = 300
"""How many characters of a value are looked at, so that a long one takes no longer."""

_WORDS_OF_SECRETS = "pass|passwd|password|passphrase|pwd|pw|secret|token|key|credential|cookie|auth"
_TYPE = ValuePattern(
    r"(?:typing\.)?(?:Optional|Union|List|Dict|Annotated|Literal|Final|Sequence|Mapping|Callable)\["
    r"|(?:Option|Vec|Arc|Box|Rc|Cow|Secret|Zeroizing|Promise|Maybe|Array|Nullable|Map|Set)<[A-Z&'\w]"
    r"|&?(?:'\w+ )?(?:mut )?"
    r"(?:str|bytes|string|String|int|bool|number|boolean|any|SecretStr|char|byte|text)"
    r"(?:\[\]|\s*\||\?|\)|;|$)|(?i:n?varchar2?|char|text|binary)\b"
)
_PLACEHOLDER = ValuePattern(
    r"<[^<>]*>?|\$\d+|\$\{.*|\$\(.*|\$[A-Za-z_][\w:.]*|\{[^{}\"']*\}?.*"
    r"|#[0-9a-fA-F]{6}|%\d|(?:Read|Get|ConvertTo|New)-[A-Z]\w+|%[A-Za-z_]\w*%|%\([a-z_]+\)s|%s"
    r"|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+){0,6}_(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASS|PWD)"
    r"|#\{.*|@[a-z_]+|@[A-Z_]+@|[:?&*@][A-Za-z_]*(?i:" + _WORDS_OF_SECRETS + r")\w*|\?|!\w+"
    r"|\[[^\]]*\]?|\(.*"
    r"|(?i:(?:your|the|insert|replace|enter|put|example|sample|dummy|fake|todo|change)(?:[-_ ]|\Z)"
    r"|placeholder|redacted|changeme|yourtoken|yourkey|yourpassword|yoursecret|yourapi).*"
    r"|(?:[A-Za-z0-9]{1,12}[-_.]){0,3}(?i:your|example|dummy|fake)(?:[-_.][A-Za-z]+)*"
    r"|.*(?i:(?:your|my|insert|put|paste|enter|goes).*[-_]here|placeholder)|[^A-Za-z0-9]*"
    r"|(?:[A-Za-z0-9]{1,12}[-_.])*[xX*•.…]{3,}.*"
    r"|\d{1,3}(?:文字|字符|字|桁|位|자).*|(?:required|nullable|sometimes)\|.*"
    r"|[)\]}]+[;,:]?(?:\s.*)?"  # What follows a quote that was taken for an opening one.
)
_CODE = ValuePattern(
    r"(?:await |new |lambda |not )?[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)*"
    r"(?:\([\w*]*(?:$|[\"',()\[.=:])|\[[\w\"':.-]*(?:\]|$))"
)
_REFERENCE = ValuePattern(r"[A-Za-z_][A-Za-z_]*(?:(?:\.|::|->)[A-Za-z_][A-Za-z_]*)+")
_IDENTIFIER = ValuePattern(
    r"(?:[A-Za-z]+_)+(?i:" + _WORDS_OF_SECRETS + r")s?|_[a-z]+(?:_[a-z]+)*_?|[A-Z]+(?:_[A-Z]+)+"
    r"|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+){2,}"
    r"|[a-z]+(?:[A-Z][a-z]+)*(?:Pass|Password|Passphrase|Pwd|Secret|Token|Key|Credentials?|Cookie)"
    r"|(?i:" + _WORDS_OF_SECRETS + r")_[a-z]+(?:_[a-z]+)*_?"
)
# Each name ends at its separator: if that were optional, a name could be read in as many ways as
# it has letters, and a long value that is no path after all would never be done.
_PATH = ValuePattern(
    r"(?:~|\.{1,2}|[A-Za-z]:)?[\\/](?:[a-zA-Z.][\w.-]{0,60}[\\/])*(?:[a-zA-Z.][\w.-]{0,60})?"
)
_FILE = ValuePattern(
    r"[\w-]+(?:\.[\w-]+)*\.(?:pem|key|crt|json|ya?ml|toml|txt|env|py|js|ts|go|md|html)"
)
_NUMBER = ValuePattern(r"[-+~^<>=]{0,2}\d[\d,._/:]*(?:[kKmMgG%]|ms|s|h|d)?")
_UUID = ValuePattern(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URL = ValuePattern(
    r"<?(?:https?|wss?|s3|gs|file|arn|urn|vault|op|ssm|sm|data|env"
    r"|(?:secret|keyvault|identity)-?ref|aws-?sm|gcp-?sm|akv|keyring|keychain|infisical|doppler|bws?|sops"
    r"|ref\+\w+)(?:://|:)\S*|projects/[\w-]+/secrets/\S*|@Microsoft\.KeyVault.*"
)
_KNOWN_WORDS = ValuePattern(
    r"(?i)v?\d+(?:\.\w+)*|(?:sha|md|rsa|aes|hs|rs|es|ps|utf|base|oauth|x|ed|p|hmac-sha|scram-sha|chacha)-?\d+"
    r"\w{0,8}(?:[-_/][a-z0-9]{1,12}){0,3}"
    r"|argon2\w*|bcrypt\w*|pbkdf2\w*|scrypt|2fa|mfa|totp|\d+(?:st|nd|rd|th)|[1lL]Password|1password"
    r"|auth0|k8s|i18n|s3|ec2|gpt-?\d\w*|h2o|python\d?|http2?|ipv[46]|win32|\d+[a-z]{1,6}"
    r"|http/\d.*"
)
_PATH_BEFORE = ValuePattern(r"(?:^|[\s\"'(=])(?:~?/[\w./-]*|(?:[\w.-]+/){2,}[\w.-]*)\Z")
_PARTS = ValuePattern(r"[-_./:+=]")


def harmless(value: str, *, numbers: bool = True) -> bool:
    """Return True if `value` cannot be a secret, although its name says that it is one.

    A value that is quoted may be anything but a placeholder. `numbers` are harmless for most names.
    """
    value = value[:JUDGED]
    bare = value.strip().strip("*_~`").rstrip(".,;:!")
    return (
        bare.lower() in EMPTY
        or "[redacted" in value
        or bool(
            _PLACEHOLDER.fullmatch(bare)
            or _PLACEHOLDER.fullmatch(value)
            or _URL.fullmatch(bare)
            or _UUID_TEMPLATE.match(bare)
        )
        or (numbers and bool(_NUMBER.fullmatch(bare)))
        or len(set(bare)) < 2
    )


_UUID_TEMPLATE = ValuePattern(r"0{8}-0{4}-0{4}")


def is_code(value: str) -> bool:
    """Return True for what a program would write there: a call, a variable, a type, a path."""
    value = value[:JUDGED]
    return bool(
        _CODE.match(value)
        or _TYPE.match(value)
        or _REFERENCE.fullmatch(value.rstrip(",;)"))
        or _IDENTIFIER.fullmatch(value.rstrip(",;)"))
        or _CLASS_OF_SECRETS.fullmatch(value)
        or is_path(value)
    )


_CLASS = ValuePattern(r"(?:[A-Z][a-z]+){2,}[,;()|]*")
_CLASS_OF_SECRETS = ValuePattern(
    r"(?:[A-Z][a-z]+)+(?:Credentials?|Secret|Token|Password|Key|Cookie|Types?|Provider)[,;()|]*"
)


def is_class(value: str) -> bool:
    """Return True for the name of a class, as in `token: EventLoopToken`."""
    value = value[:JUDGED]
    return _CLASS.fullmatch(value) is not None


def is_path(value: str) -> bool:
    value = value[:JUDGED]
    return bool(_PATH.fullmatch(value) or _FILE.fullmatch(value))


def within_path(text: str, at: int) -> bool:
    """Return True if a path, such as that of a request, began before `at` and goes on there."""
    return _PATH_BEFORE.search(text[max(at - LONGEST_PATH, 0) : at]) is not None


def is_prose(value: str) -> bool:
    value = value[:JUDGED]
    return value.lower().strip("*_~`'").rstrip(".,;:!?)") in PROSE


def is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value) is not None


def is_word(value: str) -> bool:
    """Return True for letters in the case of a word."""
    value = value[:JUDGED]
    bare = value.rstrip(".,;:!?")
    return bare.isalpha() and (bare.islower() or bare.istitle() or bare.isupper())


def looks_chosen(value: str) -> bool:
    """Return True for a password as people choose them: letters with digits or signs among them."""
    value = value[:JUDGED]
    bare = value.rstrip(".,;:?!")
    letters = bare.lower() != bare.upper()  # Sentences of Chinese have no case, and no spaces.
    digits = any(map(str.isdigit, bare))
    signs = any(sign in bare for sign in "!@#$%^&*")
    return (
        len(bare) >= 5
        and (letters and (digits or signs))
        and not _KNOWN_WORDS.fullmatch(bare)
        and not _UUID.fullmatch(bare)
        and not is_path(bare)
        and not is_code(bare)
        and not bare.endswith("()")
    )


def looks_random(value: str, *, at_least: int = 16) -> bool:
    """Return True for what a generator made, rather than words, names, dates, ids or numbers."""
    value = value[:JUDGED]
    if len(value) < at_least or _UUID.fullmatch(value) or is_path(value):
        return False
    return any(_random_part(part) for part in _PARTS.split(value))


def _random_part(part: str) -> bool:
    if len(part) < 8 or len(set(part.lower())) < 5:
        return False
    digits = sum(map(str.isdigit, part))
    if digits == len(part):
        return False
    if digits:
        return len(part) >= 12 or 0 < digits < len(part) - 2
    # Without digits: upper and lower case mixed otherwise than in CamelCase, or very long.
    turns = sum(a.islower() != b.islower() for a, b in zip(part, part[1:], strict=False))
    return turns * 3 > len(part) or (len(part) >= 24 and turns < 2)


def is_basic(value: str) -> bool:
    """Return True for `user:password` in base64."""
    try:
        decoded = b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (Error, ValueError):
        return False
    return b":" in decoded and decoded.isascii() and decoded.decode().isprintable()


def within_quotes(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the range of a value without the quotes around it."""
    quoted = end - start > 1 and text[start] in "\"'" and text[end - 1] == text[start]
    return (start + 1, end - 1) if quoted else (start, end)
