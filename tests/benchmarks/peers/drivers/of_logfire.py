"""Logfire's SDK, sending to the receiver."""

import sys
from typing import Any

import logfire
from answering import per_span, serve


class OfLogfire:
    def __init__(self, folder: str, receiver: str) -> None:
        logfire.configure(
            token="pylf_v1_us_bench",
            send_to_logfire=True,
            console=False,
            data_dir=folder,
            advanced=logfire.AdvancedOptions(base_url=receiver),
        )

    def caller(self, name: str, attributes: dict[str, Any], spans: int) -> dict[str, float]:
        def span() -> None:
            with logfire.span(name, **attributes):
                pass

        found = per_span(span, spans=spans)
        logfire.force_flush()
        return found


if __name__ == "__main__":
    serve(OfLogfire(*sys.argv[1:]))
    logfire.shutdown()
