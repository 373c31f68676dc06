"""Fetching a message's files: limits on bytes and time, and no token for other hosts."""

import contextlib
import os
import shutil
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import Channel, Sandbox, User
from bot.slack import download
from bot.slack.attachments import FetchResult, FileDownloads, FileLimits
from bot.slack.turn_folders import safe_id
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans
from tests.support.certificates import NAME
from tests.support.certificates import certificate as certificate
from tests.support.connections import ALERT, BROKEN, accepting, breaking
from tests.support.conversations import eventually

NOTES = ("notes.txt", "text/plain", b"remember the milk")
Told = Mapping[str, Any]


@pytest.fixture
def downloads(sandbox: Sandbox, observability: Observability, tmp_path: Path) -> FileDownloads:
    return FileDownloads(
        folder=tmp_path / "files",
        token=sandbox.bot_token,
        origins=frozenset({sandbox.base}),
        limits=FileLimits(max_bytes=1_000, timeout_s=5.0, free_disk=0),
        observability=observability,
        sleep=lambda seconds: None,
    )


@pytest.fixture
def told(sandbox: Sandbox, alice: User, general: Channel) -> Told:
    """Return a file as Slack's events describe it."""
    message = sandbox.post(alice, general, "read this", files=[NOTES])
    return message.files[0].as_slack()


def fetch(downloads: FileDownloads, *files: Told, trace_id: str = "0a1b") -> FetchResult:
    return downloads.fetch(files, trace_id=trace_id)


def reason(downloads: FileDownloads, file: Told) -> str:
    result = fetch(downloads, file)
    assert result.paths == ()
    assert not list(downloads.folder.glob("*")), "a partial file was left behind"
    return result.refused[0].reason


def test_a_file_is_stored_under_its_id_for_its_owner_alone(
    downloads: FileDownloads, told: Told
) -> None:
    (path,) = fetch(downloads, {**told, "name": "../../etc/passwd"}).paths
    assert (path.parent.parent, path.name) == (downloads.folder, f"{told['id']}.txt")
    assert path.read_bytes() == NOTES[2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


HOSTILE_NAMES = (
    *("../../x", "a\0b", "a\nb", "n" * 300, "-rf", "\u202egnp.exe", "CON", "...x", ".", "", "😀"),
    *("notes.txt", "notes.txt", "a/../../b", "%2e%2e%2fx", "$(id).txt", "~", "C:\\x", "｡｡／x"),
)


def test_no_name_of_a_file_reaches_the_disk_or_replaces_another(
    downloads: FileDownloads, sandbox: Sandbox, alice: User, observability: Observability
) -> None:
    files = [
        {**sandbox.add_file(alice, *NOTES).as_slack(), "name": name, "title": name}
        for name in HOSTILE_NAMES
    ]
    limits = replace(downloads.limits, max_files=len(files))
    result = fetch(replace(downloads, limits=limits), *files)
    assert [path.stem for path in result.paths] == [file["id"] for file in files]
    (folder,) = downloads.folder.iterdir()
    assert {each.name for each in folder.iterdir()} == {f"{file['id']}.txt" for file in files}
    assert all(path.read_bytes() == NOTES[2] for path in result.paths)
    observability.flush()
    stored = str(
        observability.database.execute_sql("SELECT name, text, attributes FROM spans").fetchall()
    )
    assert not any(name in stored for name in ("../../x", "gnp.exe", "$(id)", "n" * 300))


@pytest.mark.parametrize(
    ("name", "mime_type", "ending"),
    [
        ("sales-2025.csv", "text/csv", ".csv"),
        ("sales-2025.csv", "application/vnd.ms-excel", ".txt"),
        (f"{'Quarterly report of sales ' * 4}(final).csv", "text/csv", ".csv"),
        ("main.go", "text/x-go", ".txt"),
        ("app.ts", "application/typescript", ".txt"),
        ("app.ts", "video/mp2t", ".txt"),
        ("app.log", "text/plain", ".txt"),
        ("data.json", "application/json", ".json"),
        ("deploy.yml", "application/x-yaml", ".yaml"),
        ("query.sql", "application/sql", ".txt"),
        ("logo.svg", "image/svg+xml", ".txt"),
        ("notes", "application/octet-stream", ".txt"),
        ("Dockerfile", "", ".txt"),
        ("x.-rf", None, ".txt"),
        ("a.b/../../c.py", "<script>", ".txt"),
    ],
)
def test_any_text_is_fetched_and_known_by_its_real_name(
    sandbox: Sandbox,
    downloads: FileDownloads,
    alice: User,
    general: Channel,
    name: str,
    mime_type: str | None,
    ending: str,
) -> None:
    file = sandbox.add_file(alice, "x", "text/plain", "größer\n".encode())
    told = sandbox.post(alice, general, files=[file]).files[0].as_slack()
    result = fetch(downloads, {**told, "name": name, "mimetype": mime_type})
    ((path, known),) = ((each.path, each.name) for each in result.files)
    assert (path.name, known) == (f"{told['id']}{ending}", name)
    assert path.parent.parent == downloads.folder
    assert result.names == {path.name: name}


def test_text_of_windows_programs_is_fetched(
    sandbox: Sandbox, downloads: FileDownloads, alice: User, general: Channel
) -> None:
    content = "größer".encode("utf-16")
    file = sandbox.add_file(alice, "out.log", "application/octet-stream", content)
    told = sandbox.post(alice, general, files=[file]).files[0].as_slack()
    assert fetch(downloads, told).paths


@pytest.mark.parametrize("content", [b"PK\3\4\0", b"\xff\xfe\x00", b"a\0b", b"\xe4\xf6"])
def test_what_is_no_text_is_refused_with_its_name(
    sandbox: Sandbox, downloads: FileDownloads, alice: User, general: Channel, content: bytes
) -> None:
    file = sandbox.add_file(alice, "core", "application/octet-stream", content)
    told = sandbox.post(alice, general, files=[file]).files[0].as_slack()
    assert "application/octet-stream are not supported" in reason(downloads, told)
    (refused,) = fetch(downloads, told).refused
    assert refused.name == "core"


@pytest.mark.parametrize("mime_type", ["", None, "application/octet-stream"])
@pytest.mark.parametrize(
    ("name", "ending"), [("Report.PDF", ".pdf"), ("a.b.jpeg", ".jpg"), ("sales.xlsx", ".xlsx")]
)
def test_a_file_that_slack_has_not_looked_at_yet_is_known_by_its_name(
    sandbox: Sandbox,
    downloads: FileDownloads,
    alice: User,
    general: Channel,
    mime_type: str | None,
    name: str,
    ending: str,
) -> None:
    file = sandbox.add_file(alice, name, "application/pdf", b"%PDF\0\xff")
    told = sandbox.post(alice, general, files=[file]).files[0].as_slack()
    (path,) = fetch(downloads, {**told, "mimetype": mime_type}).paths
    assert path.suffix == ending


def test_a_canvas_is_fetched_each_time_under_its_title(
    sandbox: Sandbox, downloads: FileDownloads, alice: User, general: Channel
) -> None:
    kind, page = "application/vnd.slack-docs", b'<div class="quip-canvas-content"><h1>Plan</h1>'
    canvas = sandbox.add_file(
        alice, "Q3_plan", kind, page, mode="quip", filetype="quip", title="Q3/plan"
    )
    told = sandbox.post(alice, general, files=[canvas]).files[0].as_slack()
    for _ in range(2):
        (file,) = fetch(downloads, told).files
        assert (file.path.suffix, file.name, file.path.read_bytes()) == (".html", "Q3/plan", page)
    assert sandbox.downloads == [told["id"]] * 2
    sandbox.faults.wrong_content("files")
    assert "missing files:read" in fetch(downloads, told).refused[0].reason


def test_files_beyond_the_most_are_refused_without_a_request(
    sandbox: Sandbox, downloads: FileDownloads, told: Told
) -> None:
    few = replace(downloads, limits=replace(downloads.limits, max_files=1))
    result = fetch(few, told, {**told, "name": "b.txt"}, {**told, "name": "c.txt"})
    assert [each.name for each in result.files] == ["notes.txt"]
    assert [(each.name, each.reason) for each in result.refused] == [
        ("b.txt", "at most 1 files of a conversation are read"),
        ("c.txt", "at most 1 files of a conversation are read"),
    ]


def test_no_other_file_is_begun_once_those_before_took_too_long(
    downloads: FileDownloads, told: Told
) -> None:
    now = iter(range(0, 10_000, 20))
    slow = replace(
        downloads,
        limits=replace(downloads.limits, timeout_s=1_000.0, total_s=200.0, max_files=30),
        now=lambda: float(next(now)),
    )
    result = fetch(slow, *[told] * 30)
    assert result.files
    assert {each.reason for each in result.refused} == {"the files before it took too long"}


def test_four_files_are_fetched_at_a_time_and_given_in_their_order(
    sandbox: Sandbox, downloads: FileDownloads, alice: User, observability: Observability
) -> None:
    files = [sandbox.add_file(alice, f"{n}.txt", "text/plain", b"x").as_slack() for n in range(6)]
    go = sandbox.faults.hold("files")
    with observability.span("turn") as root, ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(copy_context().run, fetch, downloads, *files)
        eventually(lambda: len(sandbox.downloads) == 4)
        sandbox.settle(0.05)
        assert len(sandbox.downloads) == 4
        go.set()
        assert [each.name for each in fetching.result(20).files] == [f["name"] for f in files]
    observability.flush()
    spans = trace_spans(observability.database, root.trace_id)
    assert [each.parent_id for each in spans if each.name == "download file"] == [root.span_id] * 6


def test_a_file_that_lies_in_an_earlier_folder_is_copied_and_not_fetched_again(
    sandbox: Sandbox, downloads: FileDownloads, told: Told
) -> None:
    (first,) = fetch(downloads, told, trace_id="0a1b").paths
    before = len(sandbox.downloads)
    (second,) = fetch(downloads, told, trace_id="0c2d").paths
    assert len(sandbox.downloads) == before
    assert second.parent != first.parent and second.read_bytes() == NOTES[2]
    assert stat.S_IMODE(second.stat().st_mode) == 0o600
    second.write_bytes(b"changed by its agent")
    assert first.read_bytes() == NOTES[2]


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"remember the wine"),
        lambda path: path.write_bytes(b"x" * 100_000),
        link,
        pipe,
        lambda path: path.unlink(),
        lambda path: shutil.rmtree(path.parent),
    ],
    ids=["edited", "grown", "link", "pipe", "removed", "retention"],
)
def test_a_file_that_is_not_any_more_what_was_fetched_is_fetched_again(
    change: Callable[[Path], object], sandbox: Sandbox, downloads: FileDownloads, told: Told
) -> None:
    (first,) = fetch(downloads, told, trace_id="0a1b").paths
    change(first)
    before = len(sandbox.downloads)
    (second,) = fetch(downloads, told, trace_id="0c2d").paths
    assert second.read_bytes() == NOTES[2]
    assert len(sandbox.downloads) == before + 1


def test_a_snippet_which_people_can_edit_is_fetched_each_time(
    sandbox: Sandbox, downloads: FileDownloads, told: Told
) -> None:
    before = len(sandbox.downloads)
    for _ in range(2):
        fetch(downloads, {**told, "mode": "snippet", "editable": True})
    assert len(sandbox.downloads) == before + 2


def test_two_turns_share_no_folder(downloads: FileDownloads, told: Told) -> None:
    (first,) = fetch(downloads, told, trace_id="0a1b").paths
    (second,) = fetch(downloads, told, trace_id="0c2d").paths
    (edited,) = fetch(downloads, told, trace_id="0a1b").paths
    assert len({first.parent, second.parent, edited.parent}) == 3
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    assert first.parent.name.startswith("0a1b-")
    assert stat.S_IMODE(downloads.folder.stat().st_mode) == 0o700


def test_a_question_that_is_erased_while_its_file_is_fetched_is_no_fault_of_ours(
    downloads: FileDownloads, told: Told
) -> None:
    def erase(id_: str) -> Told:
        for folder in downloads.folder.iterdir():
            shutil.rmtree(folder)
        return told

    erasing = replace(downloads, info=erase)
    (refused,) = fetch(erasing, {"id": told["id"], "file_access": "check_file_info"}).refused
    assert refused.reason == "it could not be stored (No such file or directory)"


@pytest.mark.parametrize("id_", ["../../x", "/etc/passwd", "a\0b", "", None, "F" * 500, "é✓"])
def test_a_hostile_id_cannot_leave_the_folder(id_: object) -> None:
    name = safe_id(id_)
    assert name
    assert len(name) <= 64
    assert Path(name).name == name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mimetype": "application/x-msdownload"}, "application/x-msdownload are not supported"),
        ({"mimetype": "image/heic"}, "image/heic are not supported"),
        ({"mimetype": "video/mp4"}, "video/mp4 are not supported"),
        ({"mimetype": "application/zip"}, "application/zip are not supported"),
        ({"mimetype": "image/<script>"}, "type unknown are not supported"),
        ({"size": 1_001}, "larger than 0.001 MB"),
        ({"mode": "external"}, "outside Slack"),
        ({"mode": "tombstone"}, "was deleted"),
        ({"mode": "hidden_by_limit"}, "plan hides old files"),
        ({"file_access": "check_file_info"}, "another workspace"),
        ({"url_private_download": None, "url_private": None}, "no address"),
        ({"url_private_download": "http://a\nb/"}, "is not a URL"),
        ({"url_private_download": "https://files.slack.com.evil.example/x"}, "not Slack's"),
        ({"url_private_download": "https://files.slack.com@evil.example/x"}, "not Slack's"),
        ({"url_private_download": "file:///etc/passwd"}, "not Slack's"),
    ],
)
def test_a_file_that_must_not_be_fetched_is_refused_without_a_request(
    downloads: FileDownloads, told: Told, changes: Told, said: str
) -> None:
    assert said in reason(downloads, {**told, **changes})


def test_the_token_is_not_sent_to_another_host_after_a_redirect(
    sandbox: Sandbox, downloads: FileDownloads, told: Told
) -> None:
    sandbox.faults.redirect(sandbox.elsewhere_url)
    assert "not Slack's" in reason(downloads, told)
    assert sandbox.tokens_elsewhere == []


def test_redirects_in_a_circle_end(sandbox: Sandbox, downloads: FileDownloads, told: Told) -> None:
    sandbox.faults.redirect(told["url_private_download"], times=20)
    assert "in a circle" in reason(downloads, told)


def test_a_redirect_on_the_same_host_is_followed(
    sandbox: Sandbox, downloads: FileDownloads, told: Told
) -> None:
    sandbox.faults.redirect(told["url_private_download"])
    assert fetch(downloads, told).paths


def test_a_login_page_is_not_a_file(sandbox: Sandbox, downloads: FileDownloads, told: Told) -> None:
    sandbox.faults.wrong_content("files")
    assert "missing files:read" in reason(downloads, told)


def test_a_login_page_that_calls_itself_text_is_not_a_file(
    sandbox: Sandbox, downloads: FileDownloads, alice: User, general: Channel
) -> None:
    page = ("page.txt", "text/plain", b"\n <!DOCTYPE html><html>sign in</html>")
    message = sandbox.post(alice, general, files=[page])
    assert "login page" in reason(downloads, message.files[0].as_slack())


def test_a_file_that_is_larger_than_announced_is_refused(
    sandbox: Sandbox, downloads: FileDownloads, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, files=[("big.txt", "text/plain", b"x" * 5_000)])
    told = {**message.files[0].as_slack(), "size": 10}
    assert "larger than" in reason(downloads, told)


def test_a_busy_server_is_tried_three_times_in_all(
    sandbox: Sandbox, downloads: FileDownloads, told: Told, observability: Observability
) -> None:
    waits: list[float] = []
    patient = replace(downloads, sleep=waits.append)
    sandbox.faults.rate_limit("files", retry_after=2)
    sandbox.faults.server_error("files", status=408)
    assert fetch(patient, told).paths
    assert waits == [2.0, 2.0]
    observability.flush()
    (trace,) = recent_traces(observability.database).traces
    (span,) = trace_spans(observability.database, trace.trace_id)
    assert (span.attributes["attempts"], span.attributes["bytes"]) == (3, len(NOTES[2]))


def test_a_server_that_stays_busy_is_given_up(
    sandbox: Sandbox, downloads: FileDownloads, told: Told
) -> None:
    sandbox.faults.server_error("files", times=3)
    assert "Slack answered 503, 3 times" in reason(downloads, told)


def test_a_server_that_asks_for_more_time_than_there_is_is_given_up(
    sandbox: Sandbox, downloads: FileDownloads, told: Told
) -> None:
    sandbox.faults.rate_limit("files", retry_after=3_600)
    assert "no time is left" in reason(downloads, told)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
DRIPS = {
    "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "many headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "the first line": (b"HTTP/1.1 2", b"0"),
    "a body": (OK + b"Content-Length: 900\r\n\r\n", b"x"),
    "the head of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "interim responses": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@contextlib.contextmanager
def dripping(head: bytes, drip: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a server that sends *drip* again and again, and what it has sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()
    sent: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(head)
            while not done.wait(0.02):
                connection.sendall(drip)
                sent.append(drip)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", sent
    finally:
        done.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize("what", DRIPS)
def test_a_server_that_sends_byte_by_byte_is_given_up_at_the_deadline(
    downloads: FileDownloads, told: Told, what: str
) -> None:
    with dripping(*DRIPS[what]) as (base, sent):
        hurried = replace(
            downloads,
            origins=frozenset({base}),
            limits=replace(downloads.limits, timeout_s=0.3),
        )
        assert "too long" in reason(hurried, {**told, "url_private_download": f"{base}/file"})
        assert len(sent) < 200, "the download went on past the deadline"


def test_redirects_share_one_deadline(downloads: FileDownloads, told: Told) -> None:
    with dripping(b"HTTP/1.1 302 Found\r\nX: ", b"x") as (base, _):
        hurried = replace(
            downloads,
            origins=frozenset({base}),
            limits=replace(downloads.limits, timeout_s=0.3),
        )
        assert "too long" in reason(hurried, {**told, "url_private_download": f"{base}/file"})


def test_nothing_is_fetched_onto_a_disk_that_is_nearly_full(
    downloads: FileDownloads, told: Told
) -> None:
    cautious = replace(downloads, limits=replace(downloads.limits, free_disk=10**18))
    assert "too little space" in reason(cautious, told)


def test_one_bad_file_does_not_keep_the_others_from_being_fetched(
    downloads: FileDownloads, told: Told
) -> None:
    result = fetch(downloads, {**told, "mode": "tombstone"}, told, {})
    assert (len(result.paths), len(result.refused)) == (1, 2)


def test_the_details_of_another_workspaces_file_are_fetched_first(
    downloads: FileDownloads, told: Told
) -> None:
    asking = replace(downloads, info=lambda file_id: {**told, "asked": file_id})
    strange = {"id": told["id"], "file_access": "check_file_info"}
    assert fetch(asking, strange).paths


def test_no_token_name_or_address_is_recorded(
    sandbox: Sandbox, downloads: FileDownloads, told: Told, observability: Observability
) -> None:
    sandbox.faults.server_error("files", times=3)
    fetch(downloads, told, told)
    observability.flush()
    rows = str(observability.database.execute_sql("SELECT * FROM spans").fetchall())
    for secret in (sandbox.bot_token, "notes.txt", told["url_private_download"]):
        assert secret not in rows


@pytest.mark.parametrize("record", [BROKEN, ALERT])
def test_a_download_whose_encryption_breaks_is_tried_again(
    downloads: FileDownloads,
    told: Told,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    record: bytes,
) -> None:
    context = ssl.create_default_context(cafile=certificate / "certificate.pem")
    monkeypatch.setattr(download, "_tls", lambda: context)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nhalf"
    connections: list[socket.socket] = []
    handle = breaking(certificate, head, record)

    def accept(client: socket.socket) -> None:
        connections.append(client)
        handle(client)

    with accepting(accept) as port:
        base = f"https://{NAME}:{port}"
        broken = replace(downloads, origins=frozenset({base}))
        said = reason(broken, {**told, "url_private_download": f"{base}/file"})
    assert "the connection was lost" in said
    assert len(connections) == downloads.limits.attempts
