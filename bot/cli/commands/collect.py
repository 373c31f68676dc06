"""`tracebot collect`: receive OpenTelemetry from any program until a signal."""

import logging
import signal
import sys
import time
from collections import Counter

from bot.cli.commands.signals import WAKE_S, StopSignal, stop_signal
from bot.cli.terminal import log_to_stderr
from bot.http.addresses import LOOPBACK
from bot.http.otlp_receiver import Collector
from bot.settings import Settings, SettingsError
from storage import Observability
from storage.recording.log_throttle import LogThrottle

FLUSH_S = 60.0


def collect(settings: Settings, *, host: str, port: int, database: str | None) -> int:
    """Receive until a signal; 1 if not all is stored. Raises `SettingsError`, `StorageError`."""
    token = settings.otlp_token.get_secret_value()
    if host not in LOOPBACK and not token:
        raise SettingsError(
            f"Anyone who can reach {host} could send telemetry. Set TRACEBOT_OTLP_TOKEN, which "
            "senders then send as Authorization: Bearer, or omit --host."
        )
    log_to_stderr(logging.WARNING)
    LogThrottle.install()
    with Observability.open(
        database or settings.database_url or None,
        platform="otlp",
        busy_timeout_ms=settings.busy_timeout_ms,
    ) as observability:
        stop = _told_to_stop()
        collector = Collector(observability, capture=settings.captured, token=token)
        try:
            url = collector.listen(host=host, port=port)
        except OSError as error:
            raise SettingsError(
                f"{host} port {port} cannot be used ({error.strerror}): choose another with --port."
            ) from error
        sys.stderr.write(
            f"tracebot receives OpenTelemetry at {url} and records it in "
            f"{observability.database.label}. To send from a program, set\n"
            f"  OTEL_EXPORTER_OTLP_ENDPOINT={url} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
            'The settings of each agent: "Receive telemetry" in the documentation. '
            "Press Ctrl-C to stop.\n"
        )
        stop.wait()
        again = _told_to_stop()
        collector.stop()
        stored = _flush(observability, again)
        if not stored:  # What is left waits in the spool.
            observability.close(0)
    counts = collector.counts
    sys.stderr.write(
        f"tracebot received {counts.stored:,} spans, log records and data points, ignored "
        f"{counts.filtered:,} as noise and rejected {_by_cause(counts.rejected)}; it cut "
        f"{_by_cause(counts.cut)} of their values, and refused {_by_cause(counts.refused)} "
        "requests.\n"
    )
    if not stored:
        sys.stderr.write(
            "tracebot: Not all of them are stored yet. The next process that records to this "
            "database stores them: see tracebot health.\n"
        )
    return 0 if stored else 1


def _told_to_stop() -> StopSignal:
    return stop_signal(signal.SIGHUP)


def _flush(observability: Observability, again: StopSignal) -> bool:
    """Wait until all is stored, for at most `FLUSH_S` or until a signal. Return whether it is."""
    deadline = time.monotonic() + FLUSH_S
    stored = observability.flush(WAKE_S)
    if not stored:
        sys.stderr.write(
            f"tracebot: The database is busy: waiting for up to {FLUSH_S:.0f} s to store what was "
            "received. Press Ctrl-C to leave it to the next process that records.\n"
        )
    while not stored and not again.is_set() and time.monotonic() < deadline:
        stored = observability.flush(WAKE_S)
    return stored


def _by_cause(counts: Counter[str]) -> str:
    """Return a number with its parts, as in "3 (2 invalid id, 1 reserved name)"."""
    causes = ", ".join(f"{number:,} {cause}" for cause, number in counts.most_common())
    return f"{counts.total():,} ({causes})" if causes else "0"
