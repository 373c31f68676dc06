"""The contents of a message: text, blocks, attachments and metadata, checked as Slack does."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from bot.sandbox.blocks.shapes import MARKDOWN_LIMIT, Surface
from bot.sandbox.blocks.validate import violations
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Json

TEXT_KEPT = 40_000
EVENT_TYPE_LIMIT = 50
BLOCKS_SIZE_LIMIT = 13_000
"""Characters of a message's blocks as JSON; Slack's own figure is not published."""


@dataclass(slots=True)
class Contents:
    """The contents that a call gave; None for each that it left out."""

    given_text: str | None
    blocks: list[Json] | None
    attachments: list[Json] | None
    metadata: Json | None

    @classmethod
    def read(cls, arguments: Arguments, *, new_id: Callable[[str], str]) -> "Contents":
        text, blocks = arguments.text("text"), arguments.objects("blocks", error="invalid_blocks")
        markdown = arguments.text("markdown_text")
        if markdown is not None:
            if text or blocks:
                raise Refusal("markdown_text_conflict")
            text, blocks = _from_markdown(markdown)
        if blocks is not None:
            blocks = checked_blocks(blocks, "message", new_id=new_id)
        return cls(
            given_text=text,
            blocks=blocks,
            attachments=arguments.objects("attachments", error="invalid_attachments"),
            metadata=checked_metadata(arguments.json("metadata", error="invalid_metadata_format")),
        )

    @property
    def text(self) -> str:
        return (self.given_text or "")[:TEXT_KEPT]

    def need_something(self) -> None:
        if not self.text and not self.blocks and not self.attachments:
            raise Refusal("no_text")

    def changes(self) -> dict[str, Any]:
        """Return the fields of a message that an edit replaces."""
        given = {
            "text": None if self.given_text is None else self.text,
            "blocks": self.blocks,
            "attachments": self.attachments,
            "metadata": self.metadata,
        }
        return {name: value for name, value in given.items() if value is not None}


def checked_blocks(
    blocks: list[Json], surface: Surface, *, new_id: Callable[[str], str]
) -> list[Json]:
    """Return the blocks, each with a `block_id`. Raises `Refusal` with every violation."""
    found = violations(blocks, surface)
    if found:
        texts = [f"{each.message} [json-pointer:/blocks{each.pointer}]" for each in found]
        raise Refusal("invalid_blocks", *texts, errors=texts)
    if surface == "message" and len(json.dumps(blocks, ensure_ascii=False)) > BLOCKS_SIZE_LIMIT:
        raise Refusal("msg_blocks_too_long")
    return [block | {"block_id": block.get("block_id") or new_id("b")} for block in blocks]


def refuse_types(arguments: Arguments, types: Collection[str], *, named: bool) -> None:
    """Raise `Refusal` if a block has one of these types, as Slack does with one it cannot take."""
    blocks = arguments.objects("blocks", error="invalid_blocks") or []
    for chunk in arguments.objects("chunks", error="invalid_chunks") or []:
        tasks = chunk.get("type") in ("plan_update", "task_update")
        blocks = [*blocks, *(chunk.get("blocks") or []), *([{"type": "plan"}] if tasks else [])]
    view = arguments.json("view", error="invalid_view")
    if isinstance(view, dict):
        blocks = [*blocks, *(Arguments(view).objects("blocks", error="invalid_blocks") or [])]
    kinds = [block.get("type") for block in blocks]
    texts = [
        f"unsupported type: {each} [json-pointer:/blocks/{index}/type]"
        for index, each in enumerate(kinds)
        if each in types
    ]
    if texts and named:
        raise Refusal("invalid_blocks", *texts, errors=texts)
    if texts:
        raise Refusal("invalid_blocks")


def _from_markdown(markdown: str) -> tuple[str, list[Json]]:
    if len(markdown) > MARKDOWN_LIMIT:
        raise Refusal("msg_too_long")
    return markdown, [{"type": "markdown", "text": markdown}]


def checked_metadata(value: Any) -> Json | None:
    """Return a message's metadata. Raises `Refusal`."""
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("event_payload"), dict):
        raise Refusal("invalid_metadata_format")
    if not 0 < len(str(value.get("event_type", ""))) <= EVENT_TYPE_LIMIT:
        raise Refusal("invalid_metadata_format")
    return value
