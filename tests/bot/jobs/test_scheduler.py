"""Jobs that run each minute."""

import socket
import subprocess
import sys
import time

from storage import Observability
from storage.database.models import SpanRow
from storage.queries.traces import recent_traces
from tests.support.conversations import StartBot


def test_a_turn_of_a_dead_process_ends_although_the_start_could_not_end_it(
    start_bot: StartBot, observability: Observability
) -> None:
    bot = start_bot()
    for _ in range(2):
        observability.start_span("slack message", {"decision": "answer"})
    assert observability.flush()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    first = SpanRow.select(SpanRow.span_id).limit(1).scalar(observability.database)
    rows = SpanRow.update(process=f"{socket.gethostname()}:{dead.pid}:1:1")
    rows.where(SpanRow.span_id == first).execute(observability.database)
    bot.scheduler.tick(now=time.time_ns())
    traces = recent_traces(observability.database).traces
    assert sorted(trace.status for trace in traces) == ["abandoned", "running"]
