"""What a digest lists."""

from reports.digest.contents import Scope, last_day
from storage import Observability
from tests.support.factories import MINUTE, NOW, record


def test_a_digest_lists_the_latest_failures_of_any_kind(observability: Observability) -> None:
    ids = [
        record(
            observability,
            "slack message",
            ago=ago * MINUTE,
            ms=1_000,
            status=status,
            error=("crash", f"{ago} minutes ago"),
            platform="slack",
            decision="answer",
        )
        for ago, status in ((50, "error"), (40, "error"), (30, "error"), (20, "timeout"))
    ]
    assert observability.flush()
    view = last_day(observability.database, Scope(), now=NOW)
    assert [trace.trace_id for trace in view.facts.failed] == ids[:0:-1]
