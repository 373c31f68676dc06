"""Several agents at once."""

import threading
from dataclasses import dataclass, field

import pytest

from bot.agents.errors import AgentCrashed
from bot.agents.parallel import AgentQuery, query
from bot.agents.types import Agent, Reply, Request
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans


@dataclass(kw_only=True)
class Together:
    """Answers only when `together` of its kind work at the same time, and counts them."""

    together: int
    name: str = "together"
    model: str | None = None
    working: int = 0
    most: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, request: Request) -> Reply:
        with self.changed:
            self.working += 1
            self.most = max(self.most, self.working)
            self.changed.notify_all()
            if not self.changed.wait_for(lambda: self.most >= self.together, timeout=20):
                raise AgentCrashed("They did not work together.")
            self.working -= 1
        return Reply(text=request.prompt, provider=self.name)


@dataclass(frozen=True, kw_only=True)
class Broken:
    error: BaseException
    name: str = "broken"
    model: str | None = None

    def answer(self, request: Request) -> Reply:
        raise self.error


def questions(provider: object, *names: str) -> list[AgentQuery]:
    return [
        AgentQuery(
            agent=Agent(name=name, providers=(provider,)),  # type: ignore[arg-type]
            request=Request(prompt=f"for {name}"),
        )
        for name in names
    ]


def test_results_are_in_the_order_of_the_queries(observability: Observability) -> None:
    asked = questions(Together(together=3), "ann", "ben", "cem")
    answers = query(asked, observability=observability)
    assert [(answer.agent, answer.reply and answer.reply.text) for answer in answers] == [
        ("ann", "for ann"),
        ("ben", "for ben"),
        ("cem", "for cem"),
    ]


def test_at_most_at_once_agents_work_at_a_time(observability: Observability) -> None:
    provider = Together(together=2)
    query(questions(provider, *"abcdef"), observability=observability, at_once=2)
    assert provider.most == 2


def test_all_are_recorded_under_one_parent(observability: Observability) -> None:
    query(questions(Together(together=2), "ann", "ben"), observability=observability)
    observability.flush()
    (trace,) = recent_traces(observability.database).traces
    spans = trace_spans(observability.database, trace.trace_id)
    (parent,) = [span for span in spans if span.parent_id is None]
    below = {span.name for span in spans if span.parent_id == parent.span_id}
    assert (parent.name, parent.status) == ("query", "ok")
    assert below == {"invoke_agent ann", "invoke_agent ben"}


@pytest.mark.parametrize(
    ("broken", "error_type"), [(AgentCrashed("Broke."), "crash"), (KeyError("x"), "internal")]
)
def test_an_agent_that_fails_does_not_cost_the_others_their_results(
    observability: Observability, broken: Exception, error_type: str
) -> None:
    asked = [
        *questions(Broken(error=broken), "ann"),
        *questions(Together(together=1), "ben"),
    ]
    first, second = query(asked, observability=observability)
    assert first.error is not None
    assert first.error.error_type == error_type
    assert second.reply is not None
    observability.flush()
    (trace,) = recent_traces(observability.database).traces
    assert (trace.status, trace.error_message) == ("error", "No answer from ann.")


def test_an_interrupt_cancels_the_agents_that_still_work(observability: Observability) -> None:
    asked = questions(Broken(error=KeyboardInterrupt()), "ann", "ben")
    with pytest.raises(KeyboardInterrupt):
        query(asked, observability=observability)
    assert [question.request.cancellation.by for question in asked] == ["interrupt", "interrupt"]
