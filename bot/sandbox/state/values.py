"""The values a workspace consists of, and their forms in Slack's JSON."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

Json = dict[str, Any]
ENTERPRISE = "E0SANDBOX1"
"""The organisation, if the workspace is one of an Enterprise Grid."""

ChannelKind = Literal["channel", "group", "im", "mpim"]
"""Slack's `channel_type`: a public channel, a private one, a direct message, a group of them."""


RESTRICTIONS: Mapping[str, frozenset[bool]] = {
    "restricted_action": frozenset({False, True}),
    "restricted_action_read_only_channel": frozenset({False, True}),
    "restricted_action_thread_only_channel": frozenset({False}),
    "restricted_action_non_threadable_channel": frozenset({True}),
    "restricted_action_thread_locked": frozenset({True}),
    "cannot_reply_to_message": frozenset({True}),
    "user_is_restricted": frozenset({False, True}),
}
"""Error of a post → the posts that it meets: True are those in a thread, False all others."""


@dataclass(slots=True)
class User:
    """A person, or the bot of an app; a bot has a `bot_id`."""

    id: str
    name: str
    team_id: str
    tz: str = "UTC"
    guest: bool = False
    admin: bool = False
    external: bool = False
    """Belongs to another workspace; is here through Slack Connect."""
    bot_id: str | None = None
    app_id: str | None = None
    legacy: bool = False
    """A bot that posts as `subtype: bot_message`, with a username and without a user, as Workflow
    Builder and webhooks do."""
    workspaces: tuple[str, ...] = ()
    """The workspaces of an Enterprise Grid that somebody is in; `team_id` is one that need not be
    ours, or the organisation."""

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    def as_slack(self) -> Json:
        offset = datetime.now(ZoneInfo(self.tz)).utcoffset()
        profile: Json = {"real_name": self.name, "display_name": self.name, "team": self.team_id}
        if self.bot_id is not None:
            profile |= {"bot_id": self.bot_id, "api_app_id": self.app_id}
        grid: Json = {"enterprise_user": self._enterprise_user()} if self.workspaces else {}
        return grid | {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "real_name": self.name,
            "deleted": False,
            "tz": self.tz,
            "tz_label": self.tz,
            "tz_offset": int(offset.total_seconds()) if offset else 0,
            "profile": profile,
            "is_admin": self.admin,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.guest,
            "is_ultra_restricted": False,
            "is_stranger": False,  # True only of people who share no channel with the bot.
            "is_bot": self.bot_id is not None,
            "is_app_user": False,
            "updated": 0,
        }

    def _enterprise_user(self) -> Json:
        return {
            "id": self.id,
            "enterprise_id": ENTERPRISE,
            "enterprise_name": "tracebot sandbox organisation",
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "teams": list(self.workspaces),
        }

    def bot_profile(self) -> Json:
        return {
            "id": self.bot_id,
            "app_id": self.app_id,
            "user_id": self.id,
            "name": self.name,
            "team_id": self.team_id,
            "deleted": False,
            "updated": 0,
            "icons": {},
        }


@dataclass(slots=True)
class Channel:
    """A conversation of any kind; `members` are ids of users."""

    id: str
    name: str
    kind: ChannelKind
    members: list[str]
    created: int = 0
    creator: str = ""
    is_ext_shared: bool = False
    is_pending_ext_shared: bool = False
    """Another organisation was invited to it and has not accepted yet."""
    is_archived: bool = False
    restriction: str | None = None
    """The error of posts that are not allowed, one of `RESTRICTIONS`."""

    @property
    def is_private(self) -> bool:
        return self.kind != "channel"

    def as_slack(self, *, bot: str) -> Json:
        """Return the channel as the user `bot` sees it."""
        shape: Json = {
            "id": self.id,
            "created": self.created,
            "is_channel": self.kind in ("channel", "group"),
            "is_group": self.kind == "group",
            "is_im": self.kind == "im",
            "is_mpim": self.kind == "mpim",
            "is_private": self.is_private,
            "is_archived": self.is_archived,
            "is_ext_shared": self.is_ext_shared,
            "is_shared": self.is_ext_shared,
            "is_pending_ext_shared": self.is_pending_ext_shared,
            "is_org_shared": False,
        }
        if self.kind == "im":
            return shape | {"user": next(each for each in self.members if each != bot)}
        return shape | {
            "name": self.name,
            "name_normalized": self.name,
            "creator": self.creator,
            "is_general": self.name == "general",
            "is_member": bot in self.members,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": len(self.members),
        }


TRANSCRIPT_PREVIEW = 100
"""Characters of a transcript in a file's details. Slack does not tell its own number."""


@dataclass(slots=True)
class File:
    """A file and its content; `base` is the address of the host it is downloaded from."""

    id: str
    name: str
    mimetype: str
    content: bytes
    user: str
    created: int
    base: str
    title: str = ""
    channels: list[str] = field(default_factory=list)
    overrides: Json = field(default_factory=dict)
    """Fields that a test replaces in the file's JSON, such as `{"mode": "tombstone"}`."""
    transcript: str | None = None
    """The words of a voice clip (`subtype="slack_audio"`), once Slack has written them down."""

    @property
    def path(self) -> str:
        return f"files-pri/{self.id}/{self.name}"

    def as_slack(self) -> Json:
        return {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": self.name.rpartition(".")[2] or "binary",
            "user": self.user,
            "size": len(self.content),
            "mode": "hosted",
            "is_external": False,
            "is_public": False,
            "file_access": "visible",
            "url_private": f"{self.base}/{self.path}",
            "url_private_download": f"{self.base}/{self.path}?download=1",
            "channels": list(self.channels),
            **(self._transcription() if self.overrides.get("subtype") == "slack_audio" else {}),
            **self.overrides,
        }

    def _transcription(self) -> Json:
        if self.transcript is None:
            return {"transcription": {"status": "processing"}}
        cut = self.transcript[:TRANSCRIPT_PREVIEW]
        preview = {"content": cut, "has_more": cut != self.transcript}
        return {
            "transcription": {"status": "complete", "locale": "en-US", "preview": preview},
            "vtt": f"{self.base}/files-pri/{self.id}/file.vtt",
        }


@dataclass(slots=True)
class Message:
    """A message, as Slack stores it. An ephemeral one has a reader in `ephemeral_to`."""

    channel: str
    ts: str
    text: str
    user: str | None
    team: str
    blocks: list[Json] = field(default_factory=list)
    """As they were sent: see `workspace.shown`."""
    attachments: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    """The parent's `ts` in a reply; None outside a thread and in the parent itself."""
    broadcast: bool = False
    bot: Json | None = None
    """The `bot_profile` of the bot that wrote it."""
    subtype: str | None = None
    username: str | None = None
    metadata: Json | None = None
    files: list[File] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edited: Json | None = None
    agent_session: Json | None = None
    """The state of the agent's session in the thread that begins with this message."""
    ephemeral_to: str | None = None
    client_msg_id: str | None = None

    @property
    def bot_id(self) -> str | None:
        return self.bot["id"] if self.bot else None

    @property
    def files_json(self) -> list[Json]:
        return [file.as_slack() for file in self.files]

    def as_slack(self, *, metadata: bool = False) -> Json:
        """Return the message in Slack's JSON; with `metadata` only if the reader asked for it."""
        shape: Json = {
            "type": "message",
            "subtype": self.subtype,
            "user": self.user,
            "text": self.text,
            "ts": self.ts,
            "client_msg_id": self.client_msg_id,
            "team": self.team,
            "thread_ts": self.thread_ts,
            "blocks": self.blocks,
            "attachments": self.attachments,
            "files": self.files_json,
            "username": self.username,
            "edited": self.edited,
            "agent_session": self.agent_session,
            "reactions": [
                {"name": name, "users": users, "count": len(users)}
                for name, users in self.reactions.items()
            ],
        }
        if self.bot is not None:
            shape |= {"bot_id": self.bot_id, "app_id": self.bot["app_id"]}
            # Only `bots.info` tells which user a bot is.
            profile = {key: value for key, value in self.bot.items() if key != "user_id"}
            shape["bot_profile"] = None if self.username else profile
        if metadata:
            shape["metadata"] = self.metadata
        filled = {key: value for key, value in shape.items() if value not in (None, [])}
        return copy.deepcopy(filled)
