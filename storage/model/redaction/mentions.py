"""Tell where the name of a secret is mentioned without its value: references, sentences, tests."""

from storage.model.redaction.patterns import Range, ValuePattern
from storage.model.redaction.values import is_word, looks_chosen, looks_random

LONGEST_PREFIX = 24
LONGEST_REFERENCES = 200

SPOKEN = (
    *("is", "was", "to", "to:", "lautet", "c'est", "c’est", "'s", "’s", "は", "是", "는", "은"),
    *("is:", "was:", "ist", "est", "es", "now", "-", "–", "—", "->", "|"),
)
"""The words that join a name to its value in a sentence."""

NEXT_WORD = ValuePattern(r"[ \t]+[A-Za-z(]")
_AMBIGUOUS = frozenset(("pass", "secret", "secret-id", "secret_id", "secretid"))
"""Names that have other meanings. Only for these is the text before them searched."""
# gcloud --secret=db-password, aws --secret-id prod/db, docker --secret id=npm,src=.npmrc
_VAULT_OPTION = ValuePattern(r"(?:^|\s)--(?:[a-z]+-)?secrets?(?:-id)?\Z")
_NAME_IN_VAULT = ValuePattern(
    r"(?:[A-Za-z]+[-_/.])*[A-Za-z]*(?i:pass|passwd|password|secret|token|key|credential|cert)s?"
    r"(?:[-_/.][a-z]+)*(?::\w+)?|[a-z]+(?:[-_][a-z]+)*(?:/[a-z]+(?:[-_][a-z]+)*)+"
    r"|(?:id|source|type|src|env)=[\w.~/-]+"
)
# The result of a test: `--- PASS: TestLogin`, `pass: tests/x.py`
_PASS = ValuePattern(r"(?i)(?:^|[^A-Za-z0-9_-])pass\Z")
_TEST = ValuePattern(r"(?i:tests?[_/.:-])|Test[A-Z]|[\w./-]*(?:/tests?/|[._](?:test|spec)\.)")
# The verb: `pass check=True`
_ARGUMENT = ValuePattern(r"[A-Za-z_]\w*=")
_NO_PASSWORD = ValuePattern(
    r"(?i)(?:tests?|checks?|first|second|third|next|---|\d)[ \t]pass\Z|:\d{12}:secret\Z"
)
_NAME_OF_A_SECRET = ValuePattern(
    r"(?i)(?:existing|vault|tls|pull|external|sealed|k8s|kube|kubernetes)[_-]?secret\Z"
)
# gcloud --set-secrets=DB=db-password:3, and a shell's ${DB:?is missing}
_REFERENCE_OPTION = ValuePattern(r"--[a-z-]*secrets?[= ]\S*\Z")
_VERSION_OF_SECRET = ValuePattern(r"[A-Za-z][\w./-]*:(?:latest|\d{1,4})")
_OTHERWISE = ValuePattern(r"\$\{\w*\Z")
# Texts of an interface: `forgotPassword: Forgot it?`
_ASKING = ValuePattern(
    r"(?i)(?:forgot|forgotten|reset|change|confirm|enter|show|hide|toggle|invalid|wrong|require"
    r"|missing|update|verify|validate|lost|recover)[_\- ]?\Z"
)
# “The secret is patience” is a sentence, “the client secret is patience” is not.
_KIND_OF_SECRET = ValuePattern(
    r"(?i)(?:client|shared|app|jwt|radius|webhook|consumer|signing|session|api|cookie|oauth|bot"
    r"|rails|flask|django|hmac|vpn|ipsec)[_\- ]\Z"
)
_ABOUT_WORDS = (
    "age alg algo algorithm alias arn at bucket budget callback class column cookie count "
    "counts css date dir email enabled encryption endpoint env error errors event expiration "
    "expires expiry field fields file files format generator handler hasher hashers header "
    "hint id ids index input kind label len length limit limits locator manager message "
    "method mode name names offset owner param parameter path pattern placeholder policy "
    "position prefix provider ref regex required reset rule rules scope scopes score selector "
    "service size state status store strength suffix table text time title ttl type types uri "
    "url usage used user uuid validator var variable vault version xpath"
)
_ABOUT = frozenset(_ABOUT_WORDS.split())
"""Words with which a name ends if it is about a secret: `passwordPolicy`, `TOKEN_TTL`."""
_LAST_WORD = ValuePattern(r"(?:[A-Z]?[a-z0-9]+|[A-Z0-9]+)\Z")


def names_no_secret(text: str, start: int, end: int) -> bool:
    """Return True for `tests pass` and `existingSecret`, whose values are not secrets."""
    if text[start:end].lower() not in _AMBIGUOUS:
        return False
    until = text[max(start - LONGEST_PREFIX, 0) : end]
    return bool(_NO_PASSWORD.search(until) or _NAME_OF_A_SECRET.search(until))


def is_about(rest: str) -> bool:
    """Return True if a name goes on like `passwordPolicy`: what it holds is about the secret."""
    last = _LAST_WORD.search(rest)
    return last is not None and last[0].lower() in _ABOUT


def names_something_else(text: str, start: int, end: int, value: str) -> bool:
    """Return True for a test that passed, a verb, and the name by which a vault knows a secret."""
    if text[start:end].lower() not in _AMBIGUOUS:
        return False
    name = text[max(end - LONGEST_PREFIX, 0) : end]
    if _VAULT_OPTION.search(name) or text[start:end].lower().endswith("id"):
        return _NAME_IN_VAULT.fullmatch(value) is not None
    if _PASS.search(name) is None:
        return False
    verb = text[end : end + 4] == " to " or _ARGUMENT.match(value) is not None
    return verb or _TEST.match(value) is not None


def refers(text: str, start: int, at: int, value: str) -> bool:
    """Return True for `--set-secrets=NAME=db-password:latest`, and for `${NAME:?is missing}`."""
    before = text[max(start - LONGEST_REFERENCES, 0) : start]
    if value[0] in "?+":
        return _OTHERWISE.search(before) is not None
    if value == "latest" and text.endswith(":", 0, at):  # …=db-password:latest
        return True
    if not _VERSION_OF_SECRET.fullmatch(value.partition(",")[0]):
        return False
    return value.endswith(":latest") or _REFERENCE_OPTION.search(before) is not None


def is_told(text: str, name: Range, sign: str, at: Range) -> bool:
    """Return True for a sentence: `forgotPassword: Forgot it?`, `the secret of bread is time`."""
    value = text[slice(*at)]
    if looks_chosen(value) or looks_random(value, at_least=12):
        return False
    before = text[max(name[0] - LONGEST_PREFIX, 0) : name[0]]
    if text[at[0] - 1] not in "\"'`":
        if sign.startswith("(") or sign.rstrip().endswith(("'s", "’s")):  # password(user): …
            return True
        if text[slice(*name)].lower() == "secret" and sign.lower().rstrip().endswith(SPOKEN):
            return is_word(value) and _KIND_OF_SECRET.search(before) is None
    several = " " in value or NEXT_WORD.match(text, at[1]) is not None
    return several and _ASKING.search(before) is not None
