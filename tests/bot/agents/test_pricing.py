"""What a call cost, where whoever answered does not say."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.agents.errors import AgentCrashed, AgentError
from bot.agents.invocation import invoke
from bot.agents.pricing import with_estimated_cost
from bot.agents.types import Agent, ModelUsage, Reply, Request
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.views.costs import CostView
from reports.views.trace_tree import TraceView
from reports.views.views import View
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans


def reply(provider: str, model: str | None, **changes: object) -> Reply:
    known: dict[str, object] = {"input_tokens": 100_000, "output_tokens": 1_000}
    return Reply(text="x", provider=provider, model=model, **{**known, **changes})  # type: ignore[arg-type]


# Dollars for a million tokens, as the vendors publish them: in 3, from the cache 0.30, out 15.
SONNET = (100_000 - 60_000) * 3.00 + 60_000 * 0.30 + 1_000 * 15.00


@pytest.mark.parametrize(
    ("provider", "model", "api_url"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929", "https://api.anthropic.com"),
        ("claude", "claude-sonnet-4-5", None),
        ("copilot", "claude-sonnet-4.5", None),
        ("opencode", "anthropic/claude-sonnet-4-5", None),
    ],
)
def test_a_call_costs_the_published_price_and_cached_tokens_less(
    provider: str, model: str, api_url: str | None
) -> None:
    found = with_estimated_cost(reply(provider, model, api_url=api_url, cached_tokens=60_000))
    assert (found.cost, found.cost_source) == (round(SONNET), "estimated")


@pytest.mark.parametrize(
    ("provider", "model", "more"),
    [
        ("openai", "no-such-model", {"api_url": "https://api.openai.com/v1"}),
        ("openai", "gpt-5", {"api_url": "http://127.0.0.1:11434/v1"}),
        ("openai", "deepseek-r1:7b", {"api_url": "http://127.0.0.1:11434/v1"}),
        ("codex", "claude-sonnet-4-5", {}),
        ("opencode", "nobody/claude-sonnet-4-5", {}),
        ("opencode", "/", {}),
        ("crewx", "", {}),
        ("claude", None, {}),
        ("claude", "claude-sonnet-4-5", {"input_tokens": None}),
        ("claude", "claude-sonnet-4-5", {"output_tokens": None}),
        ("claude", "claude-sonnet-4-5", {"cached_tokens": 10**9}),
    ],
)
def test_a_cost_that_cannot_be_estimated_is_unknown(
    provider: str, model: str | None, more: dict[str, object]
) -> None:
    found = with_estimated_cost(reply(provider, model, **more))
    assert (found.cost, found.cost_source) == (None, None)


def test_what_is_written_to_the_cache_costs_more() -> None:
    written = reply("opencode", "anthropic/claude-sonnet-4-5", cache_write_tokens=40_000)
    found = with_estimated_cost(written)
    assert found.cost == 60_000 * 3.00 + 40_000 * 3.75 + 1_000 * 15.00


@pytest.mark.parametrize(
    ("provider", "api_url", "times"),
    [("codex", None, 1), ("openai", "https://api.openai.com/v1", 2)],
)
def test_the_price_of_a_long_context_is_not_that_of_a_program_with_many_calls(
    provider: str, api_url: str | None, times: int
) -> None:
    # Dollars for a million: 2.50 for input, and from 272,000 tokens in one call on twice as much.
    many = reply(provider, "gpt-5.4", api_url=api_url, input_tokens=300_000, output_tokens=0)
    assert with_estimated_cost(many).cost == times * 750_000


def test_each_model_of_an_answer_is_priced_by_itself() -> None:
    models = (
        ModelUsage(model="gemini-2.5-flash", input_tokens=1_000, output_tokens=100),
        ModelUsage(model="gemini-2.5-pro", input_tokens=99_000, output_tokens=900),
    )
    found = with_estimated_cost(reply("gemini", "gemini-2.5-pro", models=models))
    flash, pro = 1_000 * 0.30 + 100 * 2.50, 99_000 * 1.25 + 900 * 10.00
    assert (found.cost, found.cost_source) == (flash + pro, "estimated")
    unpriced = (*models, ModelUsage(model="mine", input_tokens=1, output_tokens=1))
    assert with_estimated_cost(reply("gemini", "gemini-2.5-pro", models=unpriced)).cost is None


def test_a_reported_cost_is_kept() -> None:
    reported = reply("claude", "claude-sonnet-4-5", cost=7, cost_source="reported")
    assert with_estimated_cost(reported) is reported


class Fixed:
    """A provider that always answers the same, or fails the same way."""

    name = "codex"
    model = None

    def __init__(self, said: Reply | AgentError) -> None:
        self._said = said

    def answer(self, request: Request) -> Reply:
        if isinstance(self._said, AgentError):
            raise self._said
        return self._said


def test_an_attempt_is_recorded_with_its_estimated_cost(observability: Observability) -> None:
    agent = Agent(name="helper", providers=(Fixed(reply("codex", "gpt-5")),))
    received = invoke(agent, Request(prompt="why?"), observability=observability)
    assert received.cost == round(100_000 * 1.25 + 1_000 * 10.00)
    assert observability.flush()
    (trace,) = recent_traces(observability.database).traces
    assert trace.cost == received.cost
    (attempt,) = [
        span
        for span in trace_spans(observability.database, trace.trace_id)
        if span.cost is not None
    ]
    assert (attempt.name, attempt.cost_source) == ("attempt codex", "estimated")
    shown = ask(observability, f"show {trace.trace_id}")
    assert isinstance(shown, TraceView)
    assert any("$0.1350 estimated" in span.facts for span in shown.spans)


def test_the_cost_of_a_failed_attempt_is_recorded(observability: Observability) -> None:
    crash = AgentCrashed("codex broke off.", partial=reply("codex", "gpt-5"))
    with pytest.raises(AgentCrashed):
        invoke(
            Agent(name="helper", providers=(Fixed(crash),)),
            Request(prompt="why?"),
            observability=observability,
        )
    assert observability.flush()
    (trace,) = recent_traces(observability.database).traces
    assert trace.cost == 135_000


def test_costs_name_the_models_without_a_price(
    observability: Observability,
) -> None:
    for model in ("gpt-5", "my-own-model"):
        agent = Agent(name="helper", providers=(Fixed(reply("codex", model)),))
        invoke(agent, Request(prompt="why?"), observability=observability)
    assert observability.flush()
    view = ask(observability, "cost")
    assert isinstance(view, CostView)
    assert view.total.cost == 135_000
    assert [(each.key, each.input_tokens) for each in view.unpriced] == [("my-own-model", 100_000)]


def ask(observability: Observability, words: str) -> View:
    parser, _ = build_parser(prog="tracebot", shell=True)
    return answer(
        parse(parser, words.split()),
        database=observability.database,
        viewer=Viewer(),
        now=time.time_ns(),
    )


ALONE = """
import socket, sys, threading
def refuse(*arguments): raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse

from bot.agents.pricing import with_estimated_cost
from bot.agents.types import Reply
from storage.model.prices import load_in_background
assert "genai_prices" not in sys.modules, "it is imported before it is needed"
for _ in range(3):
    load_in_background()
assert [t.name for t in threading.enumerate()].count("prices") <= 1
reply = Reply(text="x", provider="codex", model="gpt-5", input_tokens=10, output_tokens=10)
assert with_estimated_cost(reply).cost
[thread.join(60) for thread in threading.enumerate() if thread.name == "prices"]
assert threading.enumerate() == [threading.main_thread()], "something fetches prices"
"""


def test_prices_are_loaded_late_in_the_background_and_never_fetched(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


FORKED = """
import os
from storage.model.prices import are_loaded, load_in_background
load_in_background()
child = os.fork()
if child == 0:
    load_in_background()
    os._exit(0 if are_loaded() else 1)
assert os.waitpid(child, 0)[1] == 0, "the child has no prices"
"""


def test_a_process_that_is_forked_while_prices_are_loaded_has_them() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


TWO_IMPORTS = """
import threading, time
from importlib.machinery import SourceFileLoader

importing = threading.Event()

def slow(loader, spec):
    if spec.name == "genai_prices":
        importing.set()
        time.sleep(0.3)  # The other thread begins its import meanwhile.

SourceFileLoader.create_module = slow
from storage.model.prices import are_loaded, estimated_cost, load_in_background
load_in_background()
importing.wait()
estimated_cost("gpt-5", input_tokens=1, output_tokens=1)
[each.join() for each in threading.enumerate() if each is not threading.main_thread()]
assert are_loaded()
"""


def test_prices_are_loaded_while_another_thread_needs_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_IMPORTS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
