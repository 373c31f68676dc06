"""What an API does wrong is named; it neither hangs the bot nor loses what was said."""

import asyncio
import gzip
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from bot.agents.cancellation import Cancellation
from bot.agents.errors import AgentCancelled, AgentCrashed, AgentError, AgentNotFound, AgentTimeout
from bot.agents.models import call, stream
from bot.agents.types import Progress, Request
from tests.support.asked_models import ask, failure, model, raw, stream_of
from tests.support.asked_models import openai as openai
from tests.support.asked_models import server as server
from tests.support.model_server import (
    KEY,
    Exchange,
    ModelServer,
    Step,
    anthropic_events,
    begin,
    openai_events,
    refuse,
    say,
    stall,
)

# Errors before the answer begins.


@pytest.mark.parametrize("status", [429, 500, 503, 529, 408])
def test_a_temporary_error_is_tried_again(server: ModelServer, status: int) -> None:
    server.will(refuse(status, {"type": "overloaded_error", "message": "busy"}), say("now"))
    assert ask(server).text == "now"
    assert len(server.bodies) == 2


def test_a_connection_that_breaks_before_any_text_is_tried_again(
    server: ModelServer,
) -> None:
    broken: tuple[Step, ...] = (
        lambda exchange: exchange.cut(),
        lambda exchange: begin()(exchange).cut(),
    )
    server.will(*broken, say("now"))
    assert ask(server).text == "now"
    assert len(server.bodies) == 3


def test_an_error_event_before_any_text_is_tried_again(server: ModelServer) -> None:
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    server.will(stream_of(event), say("now"))
    assert ask(server).text == "now"


def test_the_third_failure_is_reported(server: ModelServer) -> None:
    server.will(refuse(529, {"type": "overloaded_error", "message": "Overloaded"}))
    error = failure(server)
    assert error.error_type == "crash"
    assert "529 Overloaded" in error.message
    assert len(server.bodies) == 3


def test_retry_after_is_waited_for(openai: ModelServer) -> None:
    openai.will(refuse(429, {"message": "slow down"}, Retry_After="0.3"), say("now"))
    started = time.monotonic()
    assert ask(openai).text == "now"
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("wait", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_retry_after_of_an_hour_is_not_waited_for(openai: ModelServer, wait: str) -> None:
    openai.will(refuse(429, {"message": "slow down"}, Retry_After=wait))
    started = time.monotonic()
    assert failure(openai).error_type == "quota"
    assert len(openai.bodies) == 1
    assert time.monotonic() - started < 20


def test_a_retry_after_beyond_the_timeout_is_not_waited_for(openai: ModelServer) -> None:
    openai.will(refuse(429, {"message": "slow down"}, Retry_After="30"))
    assert failure(openai, timeout_s=10.0).error_type == "quota"


@pytest.mark.parametrize(
    ("step", "error_type", "said"),
    [
        (refuse(401, {"type": "authentication_error", "message": "invalid"}), "authentication", ""),
        (refuse(403, {"type": "permission_error"}), "authentication", "THE_KEY"),
        (refuse(402, {"type": "billing_error", "message": "pay"}), "quota", "402 pay"),
        (
            refuse(429, {"code": "insufficient_quota", "type": "insufficient_quota"}),
            "quota",
            "raise the account's limits",
        ),
        (
            refuse(400, {"type": "invalid_request_error", "message": "Your credit balance is low"}),
            "quota",
            "credit balance",
        ),
        (refuse(404, {"type": "not_found_error", "message": "model: x"}), "not_found", "model: x"),
        (refuse(404, 'model "x" not found'), "not_found", "check model and base_url"),
        (refuse(400, {"code": "content_filter", "message": "no"}), "refused", ""),
        (refuse(400, {"message": "too  long\n"}), "crash", "400 too long"),
        (
            refuse(400, {"message": "This model's maximum context length is 8192 tokens."}),
            "too_long",
            "8192 tokens",
        ),
        (
            refuse(400, {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}),
            "too_long",
            "TRACEBOT_HISTORY_CHARACTERS",
        ),
        (refuse(413, {"type": "request_too_large"}), "too_long", "413"),
        (refuse(500, {"message": "x"}, x_should_retry="false"), "crash", "500 x"),
        (refuse(418, {"message": ["?"]}), "crash", "418"),
    ],
)
def test_a_lasting_error_is_reported_at_once_with_its_type(
    server: ModelServer, step: Step, error_type: str, said: str
) -> None:
    server.will(step)
    error = failure(server)
    assert error.error_type == error_type
    assert said in error.message
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("step", "asked"),
    [
        (refuse(400, {"message": "unknown variant `image_url`, expected `text`"}), 2),
        (refuse(400, {"message": "dimensions exceed max allowed size: 8000 pixels"}), 2),
        (refuse(413, "Request too large"), 2),
        (refuse(404, {"message": "No endpoints found that support image input"}), 2),
        (refuse(500, {"message": "image input is not supported - provide the mmproj"}), 4),
        (refuse(400, {"code": "content_filter", "message": "no such images"}), 1),
        (refuse(401, {"type": "authentication_error", "message": "invalid"}), 1),
        (refuse(404, {"type": "not_found_error", "message": "model: x"}), 1),
    ],
)
def test_a_model_that_takes_no_image_is_asked_without_it(
    openai: ModelServer, tmp_path: Path, step: Step, asked: int
) -> None:
    (tmp_path / "F1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    request = Request(prompt="see?", files=(tmp_path / "F1.png",))
    openai.will(*[step] * (asked - 1 or 1), say("I cannot see it"))
    if asked == 1:
        failure(openai, request)
    else:
        assert ask(openai, request).text == "I cannot see it"
        (question,) = openai.bodies[-1]["messages"]
        assert question["content"] == "[The file F1.png cannot be read here.]\n\nsee?"
    assert len(openai.bodies) == asked


def test_a_server_that_does_not_run_is_named() -> None:
    server = ModelServer("openai", KEY)
    server._http.server_close()
    error = failure(server)
    assert isinstance(error, AgentNotFound)
    assert f"cannot reach the server at {server.url}" in error.message
    assert error.message.endswith("check that it runs.")


def test_an_unknown_host_is_named(openai: ModelServer) -> None:
    error = failure(openai, base_url="http://no-such-host.invalid/v1")
    assert error.error_type == "not_found"


def test_a_server_without_tls_is_not_called_absent(openai: ModelServer) -> None:
    error = failure(openai, base_url=openai.url.replace("http:", "https:"))
    assert error.error_type == "not_found"
    assert error.message.endswith("check its scheme and its certificate.")


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_named(
    openai: ModelServer, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    error = failure(openai, base_url="https://api.example.com/v1")
    assert error.error_type == "not_started"
    assert "set another in HTTPS_PROXY" in error.message


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_certificates_that_cannot_be_used_are_named(
    openai: ModelServer, text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "cacert.pem"
    if text is not None:
        named.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    call._tls.cache_clear()
    error = failure(openai)
    assert error.error_type == "not_started"
    assert "set another file in SSL_CERT_FILE" in error.message


def test_an_unreachable_proxy_is_not_called_a_broken_answer(
    openai: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert failure(openai, base_url="https://api.example.com/v1").error_type == "not_found"


def test_the_key_does_not_follow_a_redirect(openai: ModelServer) -> None:
    with ModelServer("openai", KEY).serving() as elsewhere:
        elsewhere.will(say("caught"))
        openai.will(
            lambda exchange: exchange.start(307, Location=f"{elsewhere.url}/chat/completions").send(
                b""
            )
        )
        assert "set base_url to the final address" in failure(openai).message
        assert elsewhere.headers == []


def test_a_key_that_the_server_repeats_is_not_recorded(
    server: ModelServer,
) -> None:
    server.will(refuse(401, {"message": f"Incorrect API key provided: {KEY}."}))
    assert "Incorrect API key provided: …." in failure(server).message
    assert KEY not in repr(model(server))


def test_a_key_at_the_cut_of_a_long_message_is_not_recorded_in_part(openai: ModelServer) -> None:
    openai.will(refuse(400, {"message": "x" * 480 + KEY}))
    assert KEY[:8] not in failure(openai).message


def test_a_model_whose_key_is_missing_is_not_asked(server: ModelServer) -> None:
    error = failure(server, key=None)
    assert error.error_type == "authentication"
    assert "the variable THE_KEY, which was not set" in error.message
    assert server.bodies == []


# Errors in the answer.


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"data: {]\n\n", "is not a JSON object"),
        (b"data: [1]\n\n", "is not a JSON object"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "is not a JSON object"),
        (b"data: " + b"x" * 2_000_000, "an event of more than 1,000,000 bytes"),
        (b"data: x\n" * 2_000_000, "an event of more than 1,000,000 bytes"),
    ],
)
def test_data_that_is_not_an_answer_is_a_crash(server: ModelServer, data: bytes, said: str) -> None:
    server.will(raw(data))
    error = failure(server)
    assert isinstance(error, AgentCrashed)
    assert said in error.message
    assert len(server.bodies) == 1


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json", ""])
def test_a_web_page_is_not_an_answer(server: ModelServer, kind: str) -> None:
    server.will(raw(b"<html>Welcome</html>", kind=kind))
    assert "see base_url in the agents file" in failure(server).message


def test_a_compressed_answer_is_not_unpacked(server: ModelServer) -> None:
    bomb = gzip.compress(b"data: " + b"0" * 5_000_000)
    server.will(raw(bomb, Content_Encoding="gzip"))
    assert "compressed" in failure(server).message
    assert server.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("end", [lambda exchange: exchange.cut(), lambda exchange: None])
def test_half_an_answer_is_an_error_that_keeps_the_text(
    server: ModelServer, end: Callable[[Exchange], None]
) -> None:
    server.will(lambda exchange: end(begin("half an ")(exchange)))
    error = failure(server)
    assert error.error_type == "crash"
    assert error.partial is not None
    assert error.partial.text == "half an "
    if server.dialect == "anthropic":
        assert error.partial.input_tokens == 1_000
    assert len(server.bodies) == 1, "an answer that has begun is not asked for again"


@pytest.mark.parametrize(
    "end", [Exchange.cut, lambda exchange: None, Exchange.wait_for_hang_up], ids=range(3)
)
def test_an_answer_that_is_complete_is_one_however_its_connection_ends(
    server: ModelServer, end: Callable[[Exchange], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "USAGE_S", 0.2)
    events = {"openai": openai_events, "anthropic": anthropic_events}[server.dialect]("all of it")
    server.will(lambda exchange: end(exchange.start().events(*events[:-1])))
    reply = ask(server)
    assert (reply.text, reply.output_tokens) == ("all of it", 100)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("word", [b"", b": keepalive\n\n"])
def test_only_so_long_is_waited_for_the_usage_of_a_complete_answer(
    openai: ModelServer, monkeypatch: pytest.MonkeyPatch, word: bytes
) -> None:
    monkeypatch.setattr(stream, "USAGE_S", 0.2)
    over = threading.Event()

    def stay(exchange: Exchange) -> None:
        exchange.start().events(*openai_events("all of it")[:-2])
        with suppress(OSError):
            while not over.wait(0.05):
                exchange.send(word)

    openai.will(stay)
    model_call = call.ModelCall(model(openai).endpoint, Request(prompt="why?"))
    try:
        # The test's own limit is far below the model's, which would also end the wait.
        reply = asyncio.run(asyncio.wait_for(model_call.reply(), 10.0))
    finally:
        over.set()
    assert reply.text == "all of it"


def test_an_answer_that_is_complete_at_the_deadline_is_one(openai: ModelServer) -> None:
    events = openai_events("all of it")[:-2]
    openai.will(lambda exchange: exchange.start().events(*events).wait_for_hang_up())
    assert ask(openai, timeout_s=0.5).text == "all of it"


def test_the_tokens_of_attempts_that_were_given_up_are_counted() -> None:
    with ModelServer("anthropic", KEY).serving() as server:
        cut = stream_of(anthropic_events()[0])
        server.will(cut, say("now"))
        reply = ask(server)
        assert (reply.text, reply.input_tokens, reply.cached_tokens) == ("now", 2_000, 1_200)
        server.will(cut)
        partial = failure(server).partial
        assert partial is not None
        assert partial.input_tokens == 3_000


def test_an_error_in_mid_answer_keeps_its_type(server: ModelServer) -> None:
    event = {"type": "error", "error": {"type": "rate_limit_error", "message": "enough"}}
    server.will(lambda exchange: begin("half an ")(exchange).events(event))
    error = failure(server)
    assert error.error_type == "quota"
    assert "enough" in error.message
    assert len(server.bodies) == 1


def test_an_endless_answer_is_cut_with_a_note(server: ModelServer) -> None:
    def step(exchange: Exchange) -> None:
        begin()(exchange)
        events = {"openai": openai_events, "anthropic": anthropic_events}[server.dialect]
        for _ in range(1_000):
            exchange.events(events("x" * 50_000)[1 if server.dialect == "openai" else 3])

    server.will(step)
    reply = ask(server)
    assert reply.text == "x" * 1_000_000 + "\n[The answer was longer and is cut here.]"
    assert server.hung_up.wait(20)


def test_an_endless_stream_without_text_is_stopped(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_STREAM", 1_000_000)

    def step(exchange: Exchange) -> None:
        exchange.start()
        for _ in range(1_000):
            exchange.send(b": nothing yet\n" * 1_000)

    server.will(step)
    assert "sent more than 1,000,000 bytes" in failure(server).message
    assert server.hung_up.wait(20)


def test_an_answer_that_reached_its_length_has_a_note(server: ModelServer) -> None:
    stop = {"openai": "length", "anthropic": "max_tokens"}[server.dialect]
    server.will(say("To be contin", stop=stop))
    reply = ask(server)
    assert reply.text == "To be contin\n[The answer was longer and is cut here.]"
    assert reply.stop_reason == stop


def test_a_refusal_is_an_error_that_keeps_the_tokens(server: ModelServer) -> None:
    stop = {"openai": "content_filter", "anthropic": "refusal"}[server.dialect]
    server.will(say("I can", stop=stop))
    error = failure(server)
    assert error.error_type == "refused"
    assert error.partial is not None
    assert (error.partial.input_tokens, error.partial.output_tokens) == (1_000, 100)


def test_a_refusal_in_its_own_field_is_a_refusal(openai: ModelServer) -> None:
    events = openai_events("")
    events[1]["choices"][0]["delta"] = {"refusal": "I cannot help with that."}  # type: ignore[index]
    openai.will(stream_of(*events))
    assert failure(openai).error_type == "refused"


@pytest.mark.parametrize("pieces", [(), ("  ", "\n")])
def test_an_answer_of_spaces_is_empty(server: ModelServer, pieces: tuple[str, ...]) -> None:
    server.will(say(*pieces))
    error = failure(server)
    assert error.error_type == "empty"
    assert error.partial is not None


@pytest.mark.parametrize("pieces", [(), ("<think>", "How long", "</think>")])
def test_an_answer_whose_tokens_went_into_thinking_says_so(
    server: ModelServer, pieces: tuple[str, ...]
) -> None:
    stop = {"openai": "length", "anthropic": "max_tokens"}[server.dialect]
    server.will(say(*pieces, stop=stop))
    error = failure(server)
    assert error.error_type == "output_limit"
    assert "used up its 100 output tokens before it wrote an answer" in error.message
    assert "set a higher max_tokens" in error.message
    assert error.partial is not None
    assert error.partial.output_tokens == 100


def test_a_conversation_that_leaves_no_room_for_an_answer_is_too_long(server: ModelServer) -> None:
    server.will(say(stop="model_context_window_exceeded"))
    error = failure(server)
    assert error.error_type == "too_long"
    assert "TRACEBOT_HISTORY_CHARACTERS" in error.message


@pytest.mark.parametrize("count", [-1, True, "many", 1.5, 2**70, None, {}])
def test_invalid_token_counts_are_unknown(openai: ModelServer, count: object) -> None:
    events = openai_events("x")
    usage = {"prompt_tokens": count, "completion_tokens": count, "cost": -1}
    events[-2]["usage"] = {**usage, "prompt_tokens_details": {"cached_tokens": count}}  # type: ignore[index]
    events[0].update(model=["x"], id=7, choices="none")  # type: ignore[union-attr]
    openai.will(stream_of(*events))
    reply = ask(openai)
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (None, None, None)
    assert reply.cost is None


# Time and cancellation.


def test_a_stream_that_stalls_times_out_and_keeps_its_text(server: ModelServer) -> None:
    server.will(stall("half an "))
    error = failure(server, timeout_s=0.5)
    assert isinstance(error, AgentTimeout)
    assert "did not answer within 0.5 s" in error.message
    assert error.partial is not None
    assert error.partial.text == "half an "
    assert server.hung_up.wait(20)


def test_a_server_that_sends_nothing_times_out(server: ModelServer) -> None:
    server.will(lambda exchange: exchange.wait_for_hang_up())
    assert isinstance(failure(server, timeout_s=0.3), AgentTimeout)
    assert server.hung_up.wait(20)


@pytest.mark.parametrize("begins", [True, False])
def test_a_call_is_cancelled_at_once(server: ModelServer, begins: bool) -> None:
    server.will(stall("half an ") if begins else lambda exchange: exchange.wait_for_hang_up())
    cancellation = Cancellation()
    received = threading.Event()
    request = Request(
        prompt="why?", cancellation=cancellation, on_progress=lambda progress: received.set()
    )
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, server, request)
        assert (received if begins else server.asked).wait(20)
        started = time.monotonic()
        assert cancellation.cancel("U1")
        with pytest.raises(AgentCancelled) as caught:
            asking.result(20)
    assert time.monotonic() - started < 5
    assert caught.value.by == "U1"
    assert (caught.value.partial is not None) == begins
    assert server.hung_up.wait(20), "the connection is closed, so that the model stops, too"


def test_a_wait_between_attempts_can_be_cancelled(openai: ModelServer) -> None:
    openai.will(refuse(429, {"message": "slow down"}, Retry_After="20"))
    cancellation = Cancellation()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, openai, Request(prompt="why?", cancellation=cancellation))
        assert openai.asked.wait(20)
        started = time.monotonic()
        cancellation.cancel("shutdown")
        with pytest.raises(AgentCancelled, match="Stopped by shutdown"):
            asking.result(20)
    assert time.monotonic() - started < 10


def test_a_cancelled_request_is_not_sent(openai: ModelServer) -> None:
    openai.will(say("x"))
    cancellation = Cancellation()
    cancellation.cancel("U1")
    with pytest.raises(AgentCancelled):
        ask(openai, Request(prompt="why?", cancellation=cancellation))
    assert openai.bodies == []


def test_a_call_leaves_no_open_files_and_no_threads(server: ModelServer) -> None:
    server.will(say("x"))
    ask(server)
    before = len(os.listdir("/proc/self/fd"))
    server.will(say("x"), stall("half"), refuse(400), lambda exchange: begin()(exchange).cut())
    for _ in range(4):
        try:
            ask(server, timeout_s=0.3)
        except AgentError:
            continue
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and len(os.listdir("/proc/self/fd")) > before:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_an_exception_in_on_progress_ends_the_call_only(server: ModelServer) -> None:
    server.will(stall("half an "))

    def listener(progress: Progress) -> None:
        raise RuntimeError("the thread is gone")

    with pytest.raises(RuntimeError, match="the thread is gone"):
        ask(server, Request(prompt="why?", on_progress=listener))
    assert server.hung_up.wait(20)
