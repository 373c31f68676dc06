"""HTTP models in the agents file, and an agent that falls back from one to the other."""

from pathlib import Path

import pytest

from bot.agents.config.roster import RosterError, load_roster
from bot.agents.errors import AgentError
from bot.agents.invocation import invoke
from bot.agents.models.provider import HttpProvider
from bot.agents.types import Request
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans
from tests.support.model_server import KEY, ModelServer, refuse, say

ENVIRON = {"OPENAI_API_KEY": f" {KEY}\n", "ANTHROPIC_API_KEY": "sk-ant", "BAD_KEY": "two words"}


@pytest.fixture
def agents_file(tmp_path: Path) -> Path:
    return tmp_path / "agents.toml"


def provider(agents_file: Path, table: str) -> HttpProvider:
    agents_file.write_text(f"[agents.helper]\n{table}")
    (found,) = load_roster(agents_file, environ=ENVIRON).agents["helper"].providers
    assert isinstance(found, HttpProvider)
    return found


def test_a_model_needs_only_its_name(agents_file: Path) -> None:
    endpoint = provider(agents_file, 'provider = "openai"\nmodel = "gpt-5-mini"').endpoint
    assert endpoint.base_url == "https://api.openai.com/v1"
    assert (endpoint.key_variable, endpoint.key) == ("OPENAI_API_KEY", KEY)
    endpoint = provider(agents_file, 'provider = "anthropic"\nmodel = "claude-sonnet-5"').endpoint
    assert endpoint.base_url == "https://api.anthropic.com"
    assert (endpoint.key_variable, endpoint.key) == ("ANTHROPIC_API_KEY", "sk-ant")


def test_another_server_gets_a_key_only_if_one_is_named(agents_file: Path) -> None:
    local = 'provider = "openai"\nmodel = "qwen3:8b"\nbase_url = "http://127.0.0.1:11434/v1/"\n'
    endpoint = provider(agents_file, local).endpoint
    assert endpoint.base_url == "http://127.0.0.1:11434/v1"
    assert (endpoint.key_variable, endpoint.key) == (None, None)
    endpoint = provider(agents_file, f'{local}api_key_env = "ANTHROPIC_API_KEY"').endpoint
    assert endpoint.key == "sk-ant"
    endpoint = provider(agents_file, f'{local}api_key_env = "NOT_SET"').endpoint
    assert (endpoint.key_variable, endpoint.key) == ("NOT_SET", None)


def test_options_are_read(agents_file: Path) -> None:
    endpoint = provider(
        agents_file,
        'provider = "anthropic"\nmodel = "x"\nmax_tokens = 100\ntemperature = 1\ntimeout = 20',
    ).endpoint
    assert endpoint.max_tokens == 100
    assert (endpoint.temperature, endpoint.timeout_s) == (1.0, 20.0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "the model is missing: write model ="),
        ("model = 7", "line 3, in [agents.helper]: model must be a text in quotes"),
        ('model = "x"\nbase_url = "localhost:11434"', "line 4"),
        ('model = "x"\nbase_url = "ftp://x/v1"', "base_url must be an address, such as"),
        ('model = "x"\nbase_url = "http://"', "base_url must be an address, such as"),
        (
            'model = "x"\nbase_url = "https://me:secret@x/v1"',
            "name the variable of a key with api_key_env",
        ),
        (
            'model = "x"\nbase_url = "https://x/v1?key=secret"',
            "name the variable of a key with api_key_env",
        ),
        ('model = "x"\napi_key_env = "BAD_KEY"', "the value of BAD_KEY is not a key"),
        ('model = "x"\nmax_tokens = 0', "max_tokens must be a whole number above 0"),
        ('model = "x"\nmax_tokens = true', "max_tokens must be a whole number above 0"),
        ('model = "x"\ntemperature = 2.5', "temperature must be a number from 0 to 2"),
        ('model = "x"\ntemprature = 1', "did you mean temperature"),
        ('model = "x"\ncommand = ["x"]', "unknown key command"),
    ],
)
def test_a_mistake_is_refused_with_its_line(agents_file: Path, lines: str, said: str) -> None:
    with pytest.raises(RosterError) as caught:
        provider(agents_file, f'provider = "openai"\n{lines}')
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "two words" not in str(caught.value)


def test_a_provider_without_credit_falls_back_to_the_next_and_both_are_recorded(
    agents_file: Path, observability: Observability
) -> None:
    with (
        ModelServer("openai", KEY).serving() as poor,
        ModelServer("anthropic", "sk-ant").serving() as rich,
    ):
        poor.will(refuse(429, {"type": "insufficient_quota", "message": f"no credit for {KEY}"}))
        rich.will(say("Here ", "I am."))
        agents_file.write_text(
            "[agents.helper]\nproviders = [\n"
            f'{{ provider = "openai", model = "gpt-5-mini", base_url = "{poor.url}",'
            ' api_key_env = "OPENAI_API_KEY" },\n'
            f'{{ provider = "anthropic", model = "claude-sonnet-4-5", base_url = "{rich.url}",'
            ' api_key_env = "ANTHROPIC_API_KEY" },\n]'
        )
        agent = load_roster(agents_file, environ=ENVIRON).agents["helper"]
        reply = invoke(agent, Request(prompt="there?"), observability=observability)
        assert poor.complaints == rich.complaints == []
        traceparent = rich.headers[0]["traceparent"]
    assert (reply.text, reply.provider) == ("Here I am.", "anthropic")
    assert observability.flush()
    (trace,) = recent_traces(observability.database).traces
    assert (trace.input_tokens, trace.output_tokens, trace.cached_tokens) == (1_000, 100, 600)
    spans = {span.name: span for span in trace_spans(observability.database, trace.trace_id)}
    failed, answered = spans["attempt openai"], spans["attempt anthropic"]
    assert failed.error_type == "quota"
    assert (answered.provider, answered.model) == ("anthropic", "claude-sonnet-4-5-20250929")
    assert answered.attributes["gen_ai.response.id"] == "msg_1"
    assert answered.attributes["gen_ai.response.finish_reasons"] == "end_turn"
    assert traceparent.split("-")[1:3] == [trace.trace_id, answered.span_id]
    assert KEY not in repr(spans)


def test_the_tokens_of_a_refusal_are_recorded(
    agents_file: Path, observability: Observability
) -> None:
    with ModelServer("openai", None).serving() as server:
        server.will(say("I can", stop="content_filter"))
        agents_file.write_text(
            f'[agents.helper]\nprovider = "openai"\nmodel = "x"\nbase_url = "{server.url}"'
        )
        agent = load_roster(agents_file, environ={}).agents["helper"]
        with pytest.raises(AgentError) as caught:
            invoke(agent, Request(prompt="no?"), observability=observability)
    assert caught.value.error_type == "refused"
    assert observability.flush()
    (trace,) = recent_traces(observability.database).traces
    assert (trace.input_tokens, trace.output_tokens) == (1_000, 100)
