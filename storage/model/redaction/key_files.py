"""Private keys in the files of OpenSSL, OpenSSH, PGP and PuTTY."""

from collections.abc import Iterator

from storage.model.redaction.patterns import Pattern, Range, ValuePattern

BEGINS = (
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----"
    r"|-----BEGIN OpenVPN Static key V1-----|-----BEGIN [A-Z]{0,10} ?NKEY SEED-----"
    r"|PuTTY-User-Key-File-\d:|Private-Lines: \d"
)

_begin = Pattern(BEGINS)
_end = ValuePattern(
    r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|-----END OpenVPN Static key V1-----|-{5,6}END [A-Z]{0,10} ?NKEY SEED-{5,6}"
    r"|---- END SSH2 (?:ENCRYPTED )?PRIVATE KEY ----|Private-MAC: [0-9a-f]+"
)
# Lines may be quoted with `>`, as in a mail, or commented out.
_body = ValuePattern(r"(?:[A-Za-z0-9+/=\s,:\\()-]|(?<=\n)[ \t]*[>#|]|Private-Lines)*")


def private_keys(text: str) -> Iterator[Range]:
    """Yield where keys are, with their headers; without an end, as far as they may go."""
    covered = 0
    ends = True
    for found in _begin.finditer(text):
        start, end = found[""]
        if start < covered:
            continue
        last = _end.search(text, end) if ends else None
        ends = last is not None
        body = last or _body.match(text, end)
        covered = body.end() if body else end
        yield start, covered
