"""Ask models behind HTTP: real sockets, and servers that check what they are sent."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bot.agents.models.conversation import GUESSED
from bot.agents.types import HistoryMessage, Progress, Request
from tests.support.asked_models import MODELS, ask, model, stream_of
from tests.support.asked_models import openai as openai
from tests.support.asked_models import server as server
from tests.support.model_server import (
    Exchange,
    ModelServer,
    anthropic_events,
    begin,
    openai_events,
    say,
)

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


# A good answer.


def test_an_answer_comes_in_pieces_with_its_figures(server: ModelServer) -> None:
    server.will(say("Because ", "it is.\n", "ünï"))
    received: list[Progress] = []
    reply = ask(server, Request(prompt="why?", on_progress=received.append))
    assert reply.text == "Because it is.\nünï"
    assert [each.text for each in received] == ["Because ", "it is.\n", "ünï"]
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (1_000, 100, 600)
    assert reply.provider == server.dialect
    assert reply.api_url == server.url
    assert (reply.cost, reply.cost_source) == (None, None)
    assert reply.first_output_ns is not None
    assert 0 < reply.first_output_ns < 30e9


def test_an_answer_comes_without_the_models_thoughts(openai: ModelServer) -> None:
    openai.will(say("<think>", "Hm.\n", "</think>\n\n", "Because", "."))
    pieces: list[str] = []
    reply = ask(openai, Request(prompt="why?", on_progress=lambda made: pieces.append(made.text)))
    assert (reply.text, pieces) == ("Because.", ["Because", "."])


def test_a_reply_has_the_model_stop_reason_and_id_of_the_answer(server: ModelServer) -> None:
    server.will(say("x"))
    reply = ask(server)
    assert (reply.model, reply.stop_reason, reply.response_id) == {
        "openai": ("gpt-5-mini", "stop", "chatcmpl-1"),
        "anthropic": ("claude-sonnet-4-5-20250929", "end_turn", "msg_1"),
    }[server.dialect]


def test_the_first_piece_is_shown_before_the_last_is_sent(server: ModelServer) -> None:
    received = threading.Event()

    def step(exchange: Exchange) -> None:
        begin("first ")(exchange)
        assert received.wait(20)
        rest = {"openai": openai_events, "anthropic": anthropic_events}[server.dialect]("last")
        exchange.events(*rest[-4:])

    server.will(step)
    reply = ask(server, Request(prompt="why?", on_progress=lambda progress: received.set()))
    assert reply.text == "first last"


def test_a_request_has_the_configured_values(server: ModelServer) -> None:
    server.will(say("x"))
    request = Request(prompt="why?", instructions="Be brief.", traceparent=TRACEPARENT)
    ask(server, request, max_tokens=50, temperature=0.5)
    (body,) = server.bodies
    assert (body["model"], body["max_tokens"]) == (MODELS[server.dialect], 50)
    assert body["temperature"] == 0.5
    if server.dialect == "openai":
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    else:
        assert body["system"] == "Be brief."
    assert body["messages"][-1] == {"role": "user", "content": "why?"}
    assert server.headers[0]["traceparent"] == TRACEPARENT


def test_values_that_are_not_configured_are_left_to_the_api(openai: ModelServer) -> None:
    openai.will(say("x"))
    ask(openai)
    assert set(openai.bodies[0]) == {"model", "messages", "stream", "stream_options"}


def test_a_local_server_is_sent_no_key() -> None:
    with ModelServer("openai", None).serving() as local:
        local.will(say("here", model="qwen3:8b"))
        assert ask(local, model="qwen3:8b").model == "qwen3:8b"
        assert "Authorization" not in local.headers[0]
        assert local.complaints == []


def test_a_proxy_of_the_environment_does_not_see_what_goes_to_a_local_server(
    openai: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    openai.will(say("direct"))
    assert ask(openai).text == "direct"


def test_a_cost_that_the_api_reports_is_used(openai: ModelServer) -> None:
    events = openai_events("x")
    events[-2]["usage"]["cost"] = 0.00125  # type: ignore[index]
    openai.will(stream_of(*events))
    reply = ask(openai)
    assert (reply.cost, reply.cost_source) == (1_250, "reported")


@pytest.mark.parametrize(
    ("prompt", "completion", "more"),
    [
        (10, 8, {"total_tokens": 18}),
        (10, 8, {"total_tokens": 0}),
        (10, 8, {"total_tokens": 18, "completion_tokens_details": {"reasoning_tokens": 5}}),
        # xAI, and proxies for Gemini: with and without an answer beside the thoughts.
        (10, 3, {"total_tokens": 18, "completion_tokens_details": {"reasoning_tokens": 5}}),
        (10, 0, {"total_tokens": 18, "completion_tokens_details": {"reasoning_tokens": 8}}),
        # Gemini itself.
        (10, 3, {"total_tokens": 18}),
        # A proxy whose prompt leaves out the cache.
        (1, 8, {"total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 9}}),
    ],
    ids=range(7),
)
def test_tokens_are_those_that_are_billed(
    openai: ModelServer, prompt: int, completion: int, more: dict[str, object]
) -> None:
    events = openai_events("x")
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    events[-2]["usage"] = {**usage, **more}  # type: ignore[index]
    openai.will(stream_of(*events))
    reply = ask(openai)
    assert (reply.input_tokens, reply.output_tokens) == (10, 8)


def test_what_openrouter_writes_to_the_cache_is_told(openai: ModelServer) -> None:
    events = openai_events("x")
    events[-2]["usage"]["prompt_tokens_details"] = {"cache_write_tokens": 7}  # type: ignore[index]
    openai.will(stream_of(*events))
    assert ask(openai).cache_write_tokens == 7


def test_an_answer_without_done_at_its_end_is_complete(openai: ModelServer) -> None:
    openai.will(stream_of(*openai_events("fine")[:-2]))
    reply = ask(openai)
    assert (reply.text, reply.input_tokens, reply.model) == ("fine", None, "gpt-5-mini")


def test_many_requests_can_run_at_once(server: ModelServer) -> None:
    server.will(say("x" * 100))
    asked = model(server)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: asked.answer(Request(prompt="why?")), range(24)))
    assert {reply.text for reply in replies} == {"x" * 100}


def test_a_long_answer_is_complete(server: ModelServer) -> None:
    server.will(say(*(["0123456789" * 10] * 3_000)))
    assert len(ask(server).text) == 300_000


# The messages that a model is sent.


def messages(server: ModelServer, request: Request) -> list[tuple[str, Any]]:
    server.will(say("x"))
    ask(server, request)
    return [(each["role"], each["content"]) for each in server.bodies[-1]["messages"]]


def history(*messages: tuple[str, str]) -> tuple[HistoryMessage, ...]:
    return tuple(
        HistoryMessage(author=author, text=text, agent=author in ("helper", "codex"))
        for author, text in messages
    )


def test_the_agents_messages_are_the_assistants_and_all_others_the_users(
    server: ModelServer,
) -> None:
    earlier = history(
        ("U1", "what is this?\nSay."),
        ("helper", "A bot."),
        ("U2", "really?"),
        ("codex", "Yes."),
    )
    assert messages(server, Request(prompt="and now?", history=earlier)) == [
        ("user", "U1: what is this?\n    Say."),
        ("assistant", "A bot."),
        ("user", "U2: really?\n\ncodex (agent): Yes.\n\nand now?"),
    ]


def test_a_conversation_that_the_agent_began_starts_with_a_user(server: ModelServer) -> None:
    earlier = history(("helper", "Good morning."), ("helper", "Anyone?"))
    assert messages(server, Request(prompt="yes", history=earlier)) == [
        ("user", "helper (agent): Good morning."),
        ("assistant", "Anyone?"),
        ("user", "yes"),
    ]


def test_a_person_of_the_agents_name_is_not_the_assistant(server: ModelServer) -> None:
    person = HistoryMessage(author="helper", text="Delete it.", ts="1764151200.000100")
    asked = Request(prompt="should you?", author="Ann", history=(*history(("U1", "hi")), person))
    assert messages(server, asked) == [
        ("user", "U1: hi\n\n[2025-11-26 10:00 UTC] helper: Delete it.\n\nAnn: should you?")
    ]


def test_halves_of_characters_are_replaced(server: ModelServer) -> None:
    earlier = history(("U1", "a\ud83d"))
    (only,) = messages(server, Request(prompt="b\udc00", history=earlier))
    assert only == ("user", "U1: a?\n\nb?")


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def test_texts_and_images_are_sent_and_other_files_named(
    server: ModelServer, tmp_path: Path
) -> None:
    contents = {
        "F1.csv": b"\xef\xbb\xbfa,b\n1,2\n",
        "F2.txt": PNG,  # The name lies.
        "F6.log": "größer\n".encode("utf-16"),
        "F3.pdf": b"%PDF-1.7\0\xff\xfe",
        "F4.webp": b"RIFF\0\0\0\0WEBPVP8 ",
        "F7.csv": "Name;Straße\nMüller;Bäckerweg 3 – links\n".encode("cp1252"),
        "F8.csv": "名前;住所\n会議室;東京 Tower\n".encode("cp932"),
        "F9.txt": "Имя и улица, Moscow".encode("cp1251"),
        "F11.log": "会議室の予約と住所です\n".encode() + b"\xff\n",
        "F10.bin": b"a program with letters \x01\xff",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    files = (*(tmp_path / name for name in contents), tmp_path / "F5.txt")
    (_, content), *rest = messages(server, Request(prompt="see?", files=files))
    assert rest == []
    (text,) = [part["text"] for part in content if part["type"] == "text"]
    assert text == (
        '<file name="F1.csv">\na,b\n1,2\n\n</file>\n\n'
        '<file name="F6.log">\ngrößer\n\n</file>\n\n[The file F3.pdf cannot be read here.]\n\n'
        f'<file name="F7.csv">\n{GUESSED}\nName;Straße\nMüller;Bäckerweg 3 – links\n\n</file>\n\n'
        "[The file F8.csv cannot be read here.]\n\n[The file F9.txt cannot be read here.]\n\n"
        f'<file name="F11.log">\n{GUESSED}\n会議室の予約と住所です\n\ufffd\n\n</file>\n\n'
        "[The file F10.bin cannot be read here.]\n\n"
        "[The file F5.txt cannot be read here.]\n\nsee?"
    )
    shown = [part for part in content if part["type"] != "text"]
    kinds = ["image/png", "image/webp"]
    if server.dialect == "openai":
        urls = [part["image_url"]["url"] for part in shown]
        assert [url.split(";")[0].removeprefix("data:") for url in urls] == kinds
    else:
        assert [part["source"]["media_type"] for part in shown] == kinds


def test_an_image_without_a_prompt_can_be_sent(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "F1.png").write_bytes(PNG)
    ((_, content),) = messages(server, Request(prompt="", files=(tmp_path / "F1.png",)))
    assert len(content) == 1


def test_files_that_are_too_large_are_cut_or_named(openai: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "F1.txt").write_text("é" * 500_000)
    (tmp_path / "F2.png").write_bytes(PNG + b"\0" * 4_000_000)
    files = (tmp_path / "F1.txt", tmp_path / "F2.png")
    ((_, content),) = messages(openai, Request(prompt="see?", files=files))
    assert content.count("é") == 200_000
    assert "[The file is longer and is cut here.]" in content
    assert "[The file F2.png cannot be read here.]" in content
