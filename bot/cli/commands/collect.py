"""`tracebot collect`: take OpenTelemetry from any program on this machine, until a signal."""

import sys

from bot.cli.commands.signals import stop_signal
from bot.http.otlp_receiver import LOOPBACK, Collector
from bot.settings import Settings, SettingsError
from storage import Observability

FLUSH_S = 60.0


def collect(settings: Settings, *, host: str, port: int, database: str | None) -> int:
    """Raises `SettingsError` and `StorageError`."""
    token = settings.otlp_token.get_secret_value()
    if host not in LOOPBACK and not token:
        raise SettingsError(
            f"Anyone who reaches {host} could send: set TRACEBOT_OTLP_TOKEN, which senders then "
            "give as the header Authorization: Bearer, or leave --host away."
        )
    with Observability.open(
        database or settings.database_url or None,
        platform="otlp",
        busy_timeout_ms=settings.busy_timeout_ms,
    ) as observability:
        collector = Collector(observability, capture=settings.captured, token=token)
        try:
            url = collector.listen(host=host, port=port)
        except OSError as error:
            raise SettingsError(
                f"{host} port {port} is not to be had ({error.strerror}): name another with --port."
            ) from error
        sys.stderr.write(
            f"tracebot takes OpenTelemetry at {url} and records into "
            f"{observability.database.database}. Point a program at it with\n"
            f"  OTEL_EXPORTER_OTLP_ENDPOINT={url} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
            "(docs/telemetry.md has the settings of each agent). Ctrl-C stops it.\n"
        )
        stop_signal().wait()
        collector.stop()
        stored = observability.flush(FLUSH_S)
    taken = collector.taken
    sys.stderr.write(
        f"tracebot took {taken.stored:,} spans, log records and data points, left out "
        f"{taken.noise:,} as noise and rejected {taken.rejected:,}.\n"
    )
    if not stored:
        sys.stderr.write("tracebot: The database did not take all of them in time.\n")
    return 0 if stored else 1
