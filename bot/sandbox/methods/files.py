"""files.*: information, and uploads in three steps (request a URL, send, complete)."""

import mimetypes

from bot.sandbox.backend.slack import Slack
from bot.sandbox.methods.method import Method
from bot.sandbox.methods.place import thread_of, writable
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Channel, File, Json, Message


def info(slack: Slack, arguments: Arguments) -> Json:
    file = slack.workspace.files.get(arguments.need("file"))
    if file is None or not _seen_by_bot(slack, file):
        raise Refusal("file_not_found")
    # An app calls this to learn what the event of a file from another workspace left out.
    shape = file.as_slack() | {"file_access": "visible"}
    return {"file": shape, "comments": [], "response_metadata": {"next_cursor": ""}}


def _seen_by_bot(slack: Slack, file: File) -> bool:
    bot = slack.workspace.bot.id
    joined = (slack.workspace.channels[each] for each in file.channels)
    return file.user == bot or any(bot in channel.members for channel in joined)


def get_upload_url(slack: Slack, arguments: Arguments) -> Json:
    name, length = arguments.need("filename"), arguments.need("length")
    if not length.isdigit() or int(length) == 0:
        raise Refusal("invalid_arguments", "length must be a positive number")
    file = File(
        id=slack.workspace.new_id("F"),
        name=name,
        mimetype=mimetypes.guess_type(name)[0] or "application/octet-stream",
        content=b"",
        user=slack.workspace.bot.id,
        created=int(slack.clock.now()),
        base=slack.base,
        overrides={"size": int(length)},
    )
    slack.uploads[file.id] = file
    return {"file_id": file.id, "upload_url": f"{slack.base}/upload/v1/{file.id}"}


def complete_upload(slack: Slack, arguments: Arguments) -> Json:
    listed = arguments.objects("files", error="invalid_arguments") or []
    files = [_uploaded(slack, each) for each in listed]
    if not files:
        raise Refusal("invalid_arguments", "missing required field: files")
    wanted = arguments.text("channel_id") or arguments.text("channels") or ""
    ids = [each for each in wanted.split(",") if each]
    channels = [slack.workspace.joined_channel(each) for each in ids]
    for file in files:
        slack.workspace.files[file.id] = slack.uploads.pop(file.id)
    for channel in channels:
        _share(slack, channel, files, arguments)
    return {"files": [file.as_slack() for file in files]}


def _uploaded(slack: Slack, listed: Json) -> File:
    file = slack.uploads.get(str(listed.get("id")))
    if file is None or not file.content:
        raise Refusal("file_not_found")
    file.title = str(listed.get("title") or file.name)
    return file


def _share(slack: Slack, channel: Channel, files: list[File], arguments: Arguments) -> None:
    thread_ts = thread_of(slack, channel, arguments)
    writable(channel, in_thread=thread_ts is not None)
    slack.activity.post(
        Message(
            channel=channel.id,
            ts=slack.clock.timestamp(),
            text=arguments.text("initial_comment") or "",
            user=slack.workspace.bot.id,
            team=slack.workspace.team,
            thread_ts=thread_ts,
            subtype="file_share",
            bot=slack.workspace.bot.bot_profile(),
            files=list(files),
        )
    )


METHODS = {
    "files.completeUploadExternal": Method(complete_upload, scopes=("files:write",)),
    "files.getUploadURLExternal": Method(get_upload_url, scopes=("files:write",)),
    "files.info": Method(info, scopes=("files:read",)),
}
