"""The address of the telemetry receiver for the agents of one turn.

People can see the ids of spans, and tell an agent to send telemetry in the name of somebody else's
turn. So each turn has a key of its own, and what is sent with it joins no other trace.
"""

import hmac
from urllib.parse import urlsplit

TRACE_ID = 32
"""Characters of a trace id, with which the key of a turn begins."""


def turn_address(url: str, trace_id: str) -> str:
    """Return the address for a turn. *url* is that of the receiver; without a key, it is the same.

    The address is as secret as the receiver's.
    """
    address = urlsplit(url)
    key = address.path.strip("/")
    return address._replace(path=f"/{trace_id}{_seal(key, trace_id)}").geturl() if key else url


def turn_of(key: str, *, receiver: str) -> str | None:
    """Return the trace id of the turn whose key it is, None if it is not one of the *receiver*."""
    trace_id, seal = key[:TRACE_ID], key[TRACE_ID:]
    is_sealed = hmac.compare_digest(seal.encode(), _seal(receiver, trace_id).encode())
    return trace_id if is_sealed else None


def _seal(receiver: str, trace_id: str) -> str:
    return hmac.digest(receiver.encode(), trace_id.encode(), "sha256").hex()[:32]
