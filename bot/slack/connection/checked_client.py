"""Check each answer of Slack's Web API before anybody reads it.

A gateway in front of Slack may send a page in any encoding, half an answer, or JSON of another
shape, and with any status. Each of them is raised as `SlackUnwell` here, below the retries, so that
nobody above needs to expect it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request

from slack_sdk import WebClient
from slack_sdk.web.file_upload_v2_result import FileUploadV2Result

from bot.slack.errors import SlackUnwell

RATE_LIMITED = b'{"ok": false, "error": "ratelimited"}'


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_web_socket(value: Any) -> bool:
    try:
        return _is_text(value) and urlsplit(value).scheme in ("ws", "wss")
    except ValueError:  # Brackets that hold no address.
        return False


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_object_with(key: str) -> Callable[[Any], bool]:
    return lambda value: _is_object(value) and _is_text(value.get(key))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_messages(value: Any) -> bool:
    is_well = _are_objects_with("ts")(value)
    return is_well and all(TIME_STAMP.fullmatch(each["ts"]) for each in value)


def _are_objects_with(key: str) -> Callable[[Any], bool]:
    is_well = _is_object_with(key)
    return lambda value: isinstance(value, list) and all(map(is_well, value))


CONTENTS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "apps.connections.open": ("url", _is_web_socket),
    "auth.test": ("user_id", _is_text),
    "bots.info": ("bot", _is_object_with("id")),
    "chat.postEphemeral": ("message_ts", _is_text),
    "chat.postMessage": ("ts", _is_text),
    "chat.startStream": ("ts", _is_text),
    "chat.stopStream": ("ts", _is_text),
    "chat.update": ("ts", _is_text),
    "conversations.history": ("messages", _are_messages),
    "conversations.info": ("channel", _is_object_with("id")),
    "conversations.members": ("members", _are_texts),
    "conversations.open": ("channel", _is_object_with("id")),
    "conversations.replies": ("messages", _are_messages),
    "files.completeUploadExternal": ("files", _are_objects_with("id")),
    "files.getUploadURLExternal": ("upload_url", _is_text),
    "files.info": ("file", _is_object_with("id")),
    "usergroups.list": ("usergroups", _are_objects_with("id")),
    "usergroups.users.list": ("users", _are_texts),
    "users.conversations": ("channels", _are_objects_with("id")),
    "users.info": ("user", _is_object_with("id")),
    "users.list": ("members", _are_objects_with("id")),
    "views.open": ("view", _is_object_with("id")),
}
"""The field of a method's answer that its callers read, and how it must look."""

TIME_STAMP = re.compile(r"\d+(\.\d+)?")

KINDS: Mapping[str, type] = {
    **dict.fromkeys(("app_id", "bot_id", "error", "name", "team_id", "text", "thread_ts"), str),
    "next_cursor": str,
    **dict.fromkeys(("bot_profile", "edited", "enterprise_user", "metadata", "profile"), dict),
    **dict.fromkeys(("attachments", "blocks", "errors", "files", "messages", "warnings"), list),
    "response_metadata": dict,
}
"""The types of fields of an answer, and of the objects in its contents. An empty value may have
another: Slack may write an empty object as a list."""


class CheckedClient(WebClient):
    """A client that raises `SlackUnwell` for each answer that is not one of Slack's Web API.

    A refusal (`"ok": false`) and a rate limit are answers: slack_sdk raises `SlackApiError`.
    """

    # slack_sdk's own method: the one place where each request passes, repeated ones too, and
    # whose errors its retry handlers see. It decodes what came and does not expect that to fail.
    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        # urllib would take the token along to wherever it is redirected, such as a login page.
        if token := req.headers.pop("Authorization", ""):
            req.add_unredirected_header("Authorization", token)
        try:
            answer = super()._perform_urllib_http_request_internal(url, req)
        except HTTPError as error:
            raise _checked_error(error) from error
        except (ValueError, LookupError) as error:  # Not in the encoding that it names.
            raise SlackUnwell("Slack sent something that is not text.") from error
        _check_contents(_parsed(answer["body"], status=answer["status"]), method_of(url))
        return answer

    # The second of three steps that slack_sdk takes for a file. It is not a call of the Web API.
    def _upload_file(self, *, url: str, **upload: Any) -> FileUploadV2Result:
        try:
            return super()._upload_file(url=url, **upload)
        except (ValueError, LookupError) as error:  # Neither an address nor text, as above.
            raise SlackUnwell("Slack's place for a file, or its answer, cannot be read.") from error


def method_of(url: str) -> str:
    """Return the name of the method that *url* calls, such as `users.info`."""
    return url.partition("?")[0].rpartition("/")[2]


def _checked_error(error: HTTPError) -> Exception:
    """Return an error that slack_sdk can read: its body is one of the Web API."""
    body = error.read()
    if error.code == 429:  # A gateway may limit the rate, too, and says so in a form of its own.
        body = RATE_LIMITED
    else:
        try:
            _parsed(body, status=error.code)
        except SlackUnwell as unwell:
            return unwell
    headers = Message()
    for name, value in error.headers.items():
        if name.lower() != "content-type":  # It may name an encoding that does not exist.
            headers[name] = value
    return HTTPError(error.url, error.code, error.msg, headers, BytesIO(body))


def _parsed(body: str | bytes, *, status: int) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or not _is_answer(parsed):
        raise SlackUnwell(f"Slack sent no JSON object (status {status}).", status=status)
    return parsed


def _is_answer(parsed: Mapping[str, Any]) -> bool:
    """Return True for an answer of the Web API. It has a reason if it is a refusal."""
    ok = parsed.get("ok")
    return ok is True or (ok is False and _is_text(parsed.get("error")))


def _check_contents(answer: dict[str, Any], method: str) -> None:
    # Of other methods nothing is read but the cursor in `response_metadata`.
    name, is_well = CONTENTS.get(method, ("response_metadata", lambda value: True))
    wrong = [] if is_well(answer.get(name)) or not answer["ok"] else [name]
    contents = answer.get(name) if answer["ok"] else None
    inner = contents if isinstance(contents, list) else [contents]
    for each in (answer, answer.get("response_metadata"), *inner):
        wrong += _of_another_kind(each) if isinstance(each, dict) else ()
    if wrong:
        raise SlackUnwell(f"Slack's answer to {method} has no {wrong[0]} that can be read.")


def _of_another_kind(value: dict[str, Any]) -> Iterator[str]:
    """Yield the keys under which something else stands than what everybody reads there."""
    for key in KINDS.keys() & value.keys():
        if value[key] and not isinstance(value[key], KINDS[key]):
            yield key
