"""A stand-in for the APIs of Anthropic, OpenAI and Google on loopback, for agent programs.

It is strict about what it is asked and says what it was asked. A scenario is a list of steps, one
a request of the conversation: the last one is repeated. Requests that only programs make for
themselves (titles, model lists, token counts) are answered without using up a step.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Say:
    """The model answers word by word and uses these tokens."""

    text: str = "Forty two."
    input_tokens: int = 120
    cached_tokens: int = 1_000
    written_tokens: int = 0
    """Tokens of the input that are written to the cache."""
    thinking_tokens: int = 0
    output_tokens: int = 7
    """Tokens of the answer, without those of thinking."""
    stop: str = "end"


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """The model uses a tool: the first one of *arguments* (by name) that is offered.

    Where none is offered it says so, if `optional`; else what was asked is a bad request.
    """

    arguments: Mapping[str, Json]
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Refuse:
    """The API answers with an error, and with headers such as retry-after."""

    status: int
    kind: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hang:
    """The API accepts the request and never answers."""


Step = Say | Use | Refuse | Hang


class BadRequest(Exception):
    """The API does not accept the request."""


class ModelServer:
    """`url` is the base; `requests` are (path, body) of the conversation in order."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)
        self.requests: list[tuple[str, Json]] = []
        self.unexpected: list[str] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        server = self

        class Handler(_Handler):
            models = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def next_step(self, path: str, body: Json) -> Step:
        with self._lock:
            self.requests.append((path, body))
            return self.steps[min(len(self.requests), len(self.steps)) - 1]


@contextmanager
def model_server(*steps: Step) -> Iterator[ModelServer]:
    server = ModelServer(steps or [Say()])
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Handler(BaseHTTPRequestHandler):
    models: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._send(200, b"")

    def do_GET(self) -> None:
        self._dispatch(b"")

    def do_POST(self) -> None:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            data = self._chunks()
        else:
            data = self.rfile.read(int(self.headers.get("content-length", 0)))
        self._dispatch(data)

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _dispatch(self, data: bytes) -> None:
        path = self.path.split("?")[0]
        for method, ending, answer in ROUTES:
            if method == self.command and path.endswith(ending):
                try:
                    answer(self, path, json.loads(data) if data else {})
                except BadRequest as error:
                    self.models.unexpected.append(f"{path}: {error}")
                    self.json(400, {"error": {"type": "invalid_request", "message": str(error)}})
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                return
        self.models.unexpected.append(f"{self.command} {self.path}")
        self.json(404, {"error": {"type": "not_found_error", "message": self.path}})

    def json(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), headers=headers)

    def _send(self, status: int, data: bytes, *, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def events(self, events: Sequence[tuple[str | None, Json | str]]) -> None:
        """Send server-sent events of (name, data)."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, data in events:
            text = data if isinstance(data, str) else json.dumps(data)
            prefix = f"event: {name}\n" if name else ""
            self.wfile.write(f"{prefix}data: {text}\n\n".encode())
            self.wfile.flush()

    def step(self, path: str, body: Json) -> Say | Use | None:
        """Return the next answer, or None if it was an error and has been sent."""
        step = self.models.next_step(path, body)
        if (
            isinstance(step, Use)
            and step.optional
            and step.arguments.keys().isdisjoint(offered(body))
        ):
            return Say()
        if isinstance(step, Hang):
            self.models.closing.wait(120)
            raise BrokenPipeError
        if isinstance(step, Refuse):
            self.json(step.status, refusal(step, path), step.headers)
            return None
        return step


def refusal(step: Refuse, path: str) -> Json:
    """Return the error in the words of that API."""
    error: Json = {"type": step.kind, "message": step.message}
    if "GenerateContent" in path:
        status = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}.get(step.status, "INTERNAL")
        error = {"code": step.status, "status": status, "message": step.message}
        if step.status == 429:
            violation = {
                "quotaMetric": "generativelanguage.googleapis.com/generate_requests",
                "quotaId": "GenerateRequestsPerDayPerProjectPerModel",
            }
            kind = "type.googleapis.com/google.rpc.QuotaFailure"
            error["details"] = [{"@type": kind, "violations": [violation]}]
    elif "messages" not in path:
        error["code"] = step.kind
    return {"type": "error", "error": error}


def need(holds: object, what: str) -> None:
    if not holds:
        raise BadRequest(what)


def words(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")[:-1]] + text.split(" ")[-1:]


def offered(body: Json) -> list[str]:
    """Return the names of the tools that the model may use, for each API."""
    names: list[str] = []
    for tool in body.get("tools", []):
        names += [each["name"] for each in tool.get("functionDeclarations", [])]
        names += [tool.get("function", tool).get("name") or ""]
    return names


def chosen(step: Use, body: Json) -> tuple[str, Json]:
    for name in offered(body):
        if name in step.arguments:
            return name, step.arguments[name]
    raise BadRequest(f"none of {sorted(step.arguments)} is among the tools {offered(body)}")


# Anthropic: https://docs.anthropic.com/en/api/messages-streaming


def anthropic_messages(handler: _Handler, path: str, body: Json) -> None:
    headers = handler.headers
    need(headers.get("anthropic-version"), "the header anthropic-version is missing")
    need(headers.get("x-api-key") or headers.get("authorization"), "there is no key")
    need(isinstance(body.get("max_tokens"), int), "max_tokens is missing")
    need(body.get("messages"), "messages are missing")
    if not body.get("tools"):  # A title, or a check of the quota: the program's own.
        step: Say | Use | None = Say(text='{"title": "A test"}')
    else:
        step = handler.step(path, body)
    if step is None:
        return
    content, stop, say = _anthropic_content(step, body)
    usage = {
        "input_tokens": say.input_tokens,
        "cache_read_input_tokens": say.cached_tokens,
        "cache_creation_input_tokens": say.written_tokens,
        "output_tokens": 1,
    }
    message = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "stop_sequence": None,
    }
    if not body.get("stream"):
        usage["output_tokens"] = say.output_tokens
        done = {**message, "content": content, "stop_reason": stop, "usage": usage}
        handler.json(200, done)
        return
    start = {**message, "content": [], "stop_reason": None, "usage": usage}
    events: list[tuple[str, Json]] = [
        ("message_start", {"message": start}),
        *_anthropic_block(content[0]),
        (
            "message_delta",
            {
                "delta": {"stop_reason": stop, "stop_sequence": None},
                "usage": {"output_tokens": say.output_tokens + say.thinking_tokens},
            },
        ),
        ("message_stop", {}),
    ]
    handler.events([(name, {"type": name, **data}) for name, data in events])


def _anthropic_content(step: Say | Use, body: Json) -> tuple[list[Json], str, Say]:
    if isinstance(step, Use):
        name, arguments = chosen(step, body)
        block = {"type": "tool_use", "id": "toolu_01", "name": name, "input": arguments}
        return [block], "tool_use", Say(output_tokens=20)
    stop = {"end": "end_turn", "length": "max_tokens", "refusal": "refusal"}[step.stop]
    return [{"type": "text", "text": step.text}], stop, step


def _anthropic_block(block: Json) -> list[tuple[str, Json]]:
    if block["type"] == "text":
        begin: Json = {**block, "text": ""}
        deltas = [{"type": "text_delta", "text": word} for word in words(block["text"])]
    else:
        begin = {**block, "input": {}}
        partial = json.dumps(block["input"])
        deltas = [{"type": "input_json_delta", "partial_json": partial}]
    return [
        ("content_block_start", {"index": 0, "content_block": begin}),
        *(("content_block_delta", {"index": 0, "delta": delta}) for delta in deltas),
        ("content_block_stop", {"index": 0}),
    ]


def anthropic_count(handler: _Handler, path: str, body: Json) -> None:
    handler.json(200, {"input_tokens": 100})


# OpenAI: https://platform.openai.com/docs/api-reference/responses-streaming


def openai_responses(handler: _Handler, path: str, body: Json) -> None:
    need(handler.headers.get("authorization"), "there is no key")
    need(body.get("model"), "model is missing")
    need(body.get("input"), "input is missing")
    need(body.get("stream") is True, "only streams are served here")
    step = handler.step(path, body)
    if step is None:
        return
    say = step if isinstance(step, Say) else Say(output_tokens=20)
    item = _responses_item(step, body)
    response = {"id": "resp_01", "object": "response", "model": body["model"], "created_at": 1}
    usage = {
        "input_tokens": say.input_tokens + say.cached_tokens,
        "input_tokens_details": {"cached_tokens": say.cached_tokens},
        "output_tokens": say.output_tokens + say.thinking_tokens,
        "output_tokens_details": {"reasoning_tokens": say.thinking_tokens},
        "total_tokens": say.input_tokens
        + say.cached_tokens
        + say.output_tokens
        + say.thinking_tokens,
    }
    done = {**response, "status": "completed", "output": [item], "usage": usage}
    events: list[Json] = [
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "status": "in_progress"},
        },
        *(
            {
                "type": "response.output_text.delta",
                "item_id": "item_01",
                "output_index": 0,
                "content_index": 0,
                "delta": word,
            }
            for word in (words(step.text) if isinstance(step, Say) else [])
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    handler.events([(event["type"], event) for event in numbered])


def _responses_item(step: Say | Use, body: Json) -> Json:
    if isinstance(step, Say):
        part: Json = {"type": "output_text", "text": step.text, "annotations": []}
        if step.stop == "refusal":
            part = {"type": "refusal", "refusal": step.text}
        return {
            "id": "item_01",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
    name, arguments = chosen(step, body)
    return {
        "id": "item_01",
        "type": "function_call",
        "call_id": f"call_{len(body['input'])}",
        "name": name,
        "arguments": json.dumps(arguments),
        "status": "completed",
    }


# OpenAI: https://platform.openai.com/docs/api-reference/chat-streaming


def openai_chat(handler: _Handler, path: str, body: Json) -> None:
    need(body.get("model"), "model is missing")
    need(body.get("messages"), "messages are missing")
    step: Say | Use | None
    step = handler.step(path, body) if body.get("tools") else Say(text="A test")
    if step is None:
        return
    say = step if isinstance(step, Say) else Say(output_tokens=20)
    usage = {
        "prompt_tokens": say.input_tokens + say.cached_tokens,
        "completion_tokens": say.output_tokens + say.thinking_tokens,
        "total_tokens": say.input_tokens
        + say.cached_tokens
        + say.output_tokens
        + say.thinking_tokens,
        "prompt_tokens_details": {"cached_tokens": say.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": say.thinking_tokens},
    }
    base = {"id": "chatcmpl_01", "created": 1, "model": body["model"]}
    deltas, finish = _chat_deltas(step, body)
    if not body.get("stream"):
        message: Json = {"role": "assistant", "content": say.text}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        done = {**base, "object": "chat.completion", "choices": [choice], "usage": usage}
        handler.json(200, done)
        return
    base["object"] = "chat.completion.chunk"
    chunks: list[tuple[None, Json | str]] = [
        (None, {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        for delta in deltas
    ]
    last = {"index": 0, "delta": {}, "finish_reason": finish}
    chunks.append((None, {**base, "choices": [last]}))
    chunks.append((None, {**base, "choices": [], "usage": usage}))
    handler.events([*chunks, (None, "[DONE]")])


def _chat_deltas(step: Say | Use, body: Json) -> tuple[list[Json], str]:
    if isinstance(step, Say):
        finish = {"end": "stop", "length": "length", "refusal": "content_filter"}[step.stop]
        return [{"role": "assistant", "content": word} for word in words(step.text)], finish
    name, arguments = chosen(step, body)
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"index": 0, "id": "call_01", "type": "function", "function": function}
    return [{"role": "assistant", "tool_calls": [call]}], "tool_calls"


def openai_models(handler: _Handler, path: str, body: Json) -> None:
    handler.json(200, {"object": "list", "data": [], "models": []})


# Google: https://ai.google.dev/api/generate-content


def gemini_stream(handler: _Handler, path: str, body: Json) -> None:
    need(handler.headers.get("x-goog-api-key"), "there is no key")
    need(body.get("contents"), "contents are missing")
    step = handler.step(path, body)
    if step is None:
        return
    if isinstance(step, Use):
        name, arguments = chosen(step, body)
        parts: list[Json] = [{"functionCall": {"name": name, "args": arguments}}]
        say = Say(output_tokens=20)
    else:
        parts, say = [{"text": word} for word in words(step.text)], step
    finish = {"end": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}[say.stop]
    usage = {
        "promptTokenCount": say.input_tokens + say.cached_tokens,
        "cachedContentTokenCount": say.cached_tokens,
        "candidatesTokenCount": say.output_tokens,
        "thoughtsTokenCount": say.thinking_tokens,
        "totalTokenCount": say.input_tokens
        + say.cached_tokens
        + say.output_tokens
        + say.thinking_tokens,
    }
    chunks = [
        {
            "candidates": [
                {
                    "content": {"role": "model", "parts": [part]},
                    "index": 0,
                    **({"finishReason": finish} if part is parts[-1] else {}),
                }
            ],
            "usageMetadata": usage,
            "modelVersion": path.split("/")[-1].split(":")[0],
            "responseId": "gem-01",
        }
        for part in parts
    ]
    handler.events([(None, chunk) for chunk in chunks])


def gemini_once(handler: _Handler, path: str, body: Json) -> None:
    """Return whether the program asks for its own classification or summary."""
    text = json.dumps({"reasoning": "simple", "model_choice": "flash", "complexity_score": 1})
    content = {"role": "model", "parts": [{"text": text}]}
    candidate = {"content": content, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10}
    handler.json(200, {"candidates": [candidate], "usageMetadata": usage})


def nothing_said(handler: _Handler, path: str, body: Json) -> None:
    """Return whether this is codex's own telemetry to its vendor."""
    handler.json(200, {})


Answer = Callable[[_Handler, str, Json], None]
ROUTES: tuple[tuple[str, str, Answer], ...] = (
    ("POST", "/v1/messages", anthropic_messages),
    ("POST", "/v1/messages/count_tokens", anthropic_count),
    ("POST", "/responses", openai_responses),
    ("POST", "/chat/completions", openai_chat),
    ("GET", "/models", openai_models),
    ("POST", ":streamGenerateContent", gemini_stream),
    ("POST", ":generateContent", gemini_once),
    ("POST", "/analytics/codex/turn-costs", nothing_said),
)
