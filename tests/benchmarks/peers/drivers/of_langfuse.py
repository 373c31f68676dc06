"""Langfuse's SDK, sending to the receiver."""

import sys
from typing import Any

from answering import per_span, serve
from langfuse import Langfuse


class OfLangfuse:
    def __init__(self, receiver: str) -> None:
        self.client = Langfuse(
            public_key="pk-lf-bench", secret_key="sk-lf-bench", base_url=receiver
        )

    def caller(self, name: str, attributes: dict[str, Any], spans: int) -> dict[str, float]:
        def span() -> None:
            with self.client.start_as_current_observation(name=name, metadata=attributes):
                pass

        found = per_span(span, spans=spans)
        self.client.flush()
        return found


if __name__ == "__main__":
    langfuse = OfLangfuse(sys.argv[2])
    serve(langfuse)
    langfuse.client.shutdown()
