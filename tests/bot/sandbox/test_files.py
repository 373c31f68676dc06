"""Files in the sandbox: posted, uploaded, downloaded, and the faults of a download."""

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import Channel, Manifest, Message, Sandbox, User
from tests.support.paths import MANIFEST

NOTES = ("notes.txt", "text/plain", b"remember the milk")


@pytest.fixture
def posted(sandbox: Sandbox, alice: User, general: Channel) -> Message:
    return sandbox.post(alice, general, "read this", files=[NOTES])


def fetch(message: Message, token: str) -> httpx.Response:
    url = message.files[0].as_slack()["url_private_download"]
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)


def test_the_event_of_a_message_lists_its_files(sandbox: Sandbox, posted: Message) -> None:
    (told,) = sandbox.events("message")
    (file,) = told["event"]["files"]
    assert told["event"]["subtype"] == "file_share"
    assert (file["name"], file["mimetype"], file["size"]) == (NOTES[0], NOTES[1], 17)
    assert file["url_private_download"].startswith(sandbox.base)


def test_a_file_is_fetched_with_the_token(sandbox: Sandbox, posted: Message) -> None:
    response = fetch(posted, sandbox.bot_token)
    assert response.content == NOTES[2]
    assert response.headers["content-type"].startswith("text/plain")


def test_a_canvas_is_sent_as_html(sandbox: Sandbox, alice: User, general: Channel) -> None:
    canvas = ("Plan", "application/vnd.slack-docs", b"<div>Ship it</div>")
    response = fetch(sandbox.post(alice, general, files=[canvas]), sandbox.bot_token)
    assert response.headers["content-type"].startswith("text/html")


def test_a_wrong_token_gets_a_login_page_instead_of_an_error(posted: Message) -> None:
    response = fetch(posted, "xoxb-wrong")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert b"Sign in" in response.content


def test_a_missing_scope_gets_the_login_page_too() -> None:
    with Sandbox.start(Manifest.read(MANIFEST).without("files:read")) as sandbox:
        alice = sandbox.add_user("alice")
        message = sandbox.post(alice, sandbox.add_channel("general", [alice]), files=[NOTES])
        assert b"Sign in" in fetch(message, sandbox.bot_token).content


def test_the_target_of_a_redirect_records_whether_a_token_came_along(
    sandbox: Sandbox, posted: Message
) -> None:
    sandbox.faults.redirect(sandbox.elsewhere_url)
    response = fetch(posted, sandbox.bot_token)
    assert httpx.URL(response.headers["location"]).host != httpx.URL(sandbox.base).host
    httpx.get(response.headers["location"], trust_env=False)
    assert sandbox.tokens_elsewhere == [False]


def test_a_file_in_a_channel_without_the_bot_cannot_be_found(
    sandbox: Sandbox, alice: User, web: WebClient
) -> None:
    elsewhere = sandbox.add_channel("elsewhere", [alice], with_bot=False)
    file = sandbox.post(alice, elsewhere, files=[NOTES]).files[0]
    with pytest.raises(SlackApiError, match="file_not_found"):
        web.files_info(file=file.id)


def test_a_file_from_another_workspace_is_described_by_files_info(
    sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    file = sandbox.add_file(alice, *NOTES, file_access="check_file_info")
    shared = sandbox.post(alice, general, "from a partner", files=[file])
    assert shared.files[0].as_slack()["file_access"] == "check_file_info"
    assert web.files_info(file=file.id)["file"]["file_access"] == "visible"


def test_the_client_uploads_a_file_into_a_thread(
    sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    root = sandbox.post(alice, general, "a file, please")
    web.files_upload_v2(
        content="name,age\n", filename="a.csv", channel=general.id, thread_ts=root.ts
    )
    reply = sandbox.thread(general, root.ts)[1]
    assert (reply.files[0].name, reply.files[0].content) == ("a.csv", b"name,age\n")
    assert sandbox.calls("files.completeUploadExternal")[0].error is None


def test_an_upload_that_was_never_sent_cannot_be_completed(
    sandbox: Sandbox, web: WebClient
) -> None:
    asked = web.files_getUploadURLExternal(filename="a.txt", length=3)
    with pytest.raises(SlackApiError, match="file_not_found"):
        web.files_completeUploadExternal(files=[{"id": asked["file_id"], "title": "a"}])
    short = httpx.post(asked["upload_url"], content=b"ab", trust_env=False)
    assert short.status_code == 400
