"""Seeds from which authenticators make codes: `TOTP seed: …`, `otpauth://…`."""

from collections.abc import Iterator

from storage.model.redaction.patterns import Finders, Pattern, Range

_NAME = r"[th]?otp|2fa|mfa|two[- ]factor|authenticator|qr[- ]code"
_KEY = r"(?:secret|setup|manual|seed|enter this)[ _-](?:key|seed|code)"
SEED = (
    rf"(?i:(?:^|[^A-Za-z0-9])(?:(?:{_NAME})[^\n]{{0,40}}?[ _-](?:secret|seed|key)|{_KEY})"
    r"[^\n:=]{0,40}?(?:[ \t]*(?:[:=：]|->|→)[ \t]*|[ \t](?:is[ \t])?)[\"'`*]{0,3})"
    r"(?P<seed>[A-Z2-7]{16,64}|(?:[A-Z2-7]{4}[ -]){3,15}[A-Z2-7]{4}"
    r"|(?:[a-z2-7]{4}[ -]){3,15}[a-z2-7]{4})(?:[^A-Za-z0-9]|$)"
)
TOOL = r"(?i:oathtool|totp)[ \t][^\n]{0,60}?(?P<seed>[A-Z2-7]{16,64})(?:[^A-Za-z0-9]|$)"
# Without what may stand between the words, which would multiply the states of the search.
HINTS = (rf"(?i:{_NAME}|{_KEY}|oathtool)",)

_seeds = tuple(map(Pattern, (SEED, TOOL)))


def seeds(text: str) -> Iterator[Range]:
    """Yield seeds in base32, in one piece or in groups of four. They have a digit and letters."""
    for pattern in _seeds:
        for found in pattern.finditer(text):
            start, end = found["seed"]
            seed = text[start:end]
            if any(map(str.isdigit, seed)) and len(set(seed.lower())) > 7:
                yield start, end


FINDERS: Finders = {seeds: HINTS}
