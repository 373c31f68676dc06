"""Record spans, metrics, logs and scores in one database, and read them.

>>> from storage import Observability
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storage.recording.observability import Observability as Observability
    from storage.tracing.active_span import ActiveSpan as ActiveSpan

__all__ = ["ActiveSpan", "Observability"]


def __getattr__(name: str) -> Any:
    # Imported at first use: commands that never record must not wait for the database's libraries.
    if name not in __all__:
        raise AttributeError(f"module 'storage' has no attribute {name!r}")
    from storage.recording import observability
    from storage.tracing import active_span

    return getattr(observability if name == "Observability" else active_span, name)
