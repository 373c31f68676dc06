"""Write the blocks of a message as text.

Blocks that this module does not know, and Slack adds some each year, are written with any text that
they have.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bot.slack.conversation.mrkdwn import link, readable
from bot.slack.conversation.names import Names

Json = Mapping[str, Any]

WORDLESS = frozenset(("divider", "context_actions"))

TEXT_KEYS = (
    *("title", "subtitle", "text", "body", "caption", "description", "label", "value", "hint"),
    *("alt_text", "status", "details", "output", "fallback", "name"),
    *("author_name", "provider_name"),
    *("url", "title_url", "join_url"),
    *("fields", "elements", "tasks", "sources", "child_blocks", "blocks", "items", "cards", "rows"),
    *("accessory", "actions", "image", "hero_image", "icon"),
)
"""Keys of a block under which there may be words, in the order in which they are read."""

UNREAD = frozenset((*TEXT_KEYS, "options", "option_groups", "confirm", "placeholder", "style"))
"""Keys under which there are no words that are in view: what a menu offers once it is open."""

DEEPEST = 20
"""Blocks within blocks; Slack nests five or six."""


def blocks_text(blocks: Iterable[Any], names: Names) -> str:
    """Return the text of blocks, each on lines of its own."""
    return "\n".join(filter(None, (block_text(block, names) for block in blocks)))


def block_text(block: Any, names: Names, depth: int = 0) -> str:
    """Return the text of a block or of an object within one."""
    if not isinstance(block, Mapping) or depth > DEEPEST:
        return ""
    kind = str(block.get("type"))
    if kind in WORDLESS:
        return ""
    write = WRITERS.get(kind)
    return write(block, names, depth) if write else _any_text(block, names, depth)


def _any_text(block: Json, names: Names, depth: int) -> str:
    # An option has a text to be seen, and a value for its app.
    keys = [key for key in TEXT_KEYS if key != "value" or not block.get("text")]
    known = (_value_text(block.get(key), names, depth + 1) for key in keys)
    # Under another key a string may be anything, such as an id.
    others = (
        block_text(each, names, depth + 1)
        for key, value in block.items()
        if key not in UNREAD
        for each in (value if isinstance(value, list) else [value])
    )
    return "\n".join(filter(None, (*known, *others)))


def _value_text(value: Any, names: Names, depth: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, (_value_text(each, names, depth) for each in value)))
    return block_text(value, names, depth)


def _mrkdwn(block: Json, names: Names, depth: int) -> str:
    return readable(string(block, "text"), names)


def _plain(block: Json, names: Names, depth: int) -> str:
    return string(block, "text")


def _image(block: Json, names: Names, depth: int) -> str:
    title = _value_text(block.get("title"), names, depth + 1)
    words = " – ".join(dict.fromkeys(filter(None, (title, string(block, "alt_text")))))
    return f"[image: {words}]" if words else "[image]"


def _context(block: Json, names: Names, depth: int) -> str:
    parts = (block_text(each, names, depth + 1) for each in sequence(block, "elements"))
    return " ".join(filter(None, parts))


def _button(block: Json, names: Names, depth: int) -> str:
    label = _value_text(block.get("text"), names, depth + 1)
    return link(string(block, "url"), f"[{label}]") if block.get("url") else f"[{label}]"


def _table(block: Json, names: Names, depth: int) -> str:
    rows = (
        " | ".join(block_text(cell, names, depth + 1) for cell in row)
        for row in sequence(block, "rows")
        if isinstance(row, list)
    )
    return "\n".join(filter(None, (_value_text(block.get("caption"), names, depth), *rows)))


def _number(block: Json, names: Names, depth: int) -> str:
    return string(block, "text") or str(block.get("value", ""))


def _choices(block: Json, names: Names, depth: int) -> str:
    """Write what can be ticked, each on a line: unlike a menu's, these options are in view."""
    options = (_any_text(each, names, depth + 1) for each in objects(block, "options"))
    return "\n".join(f"• {each}" for each in options if each)


def _chart(block: Json, names: Names, depth: int) -> str:
    """Write a chart as a line for each of its series, or of its segments."""
    chart = _object(block, "chart")
    axes = (string(_object(chart, "axis_config"), key) for key in ("x_label", "y_label"))
    lines = [_value_text(block.get("title"), names, depth + 1), " / ".join(filter(None, axes))]
    for series in objects(chart, "series"):
        points = (f"{each.get('label')} {each.get('value')}" for each in objects(series, "data"))
        lines.append(f"{series.get('name')}: {', '.join(points)}")
    lines += [f"{each.get('label')}: {each.get('value')}" for each in objects(chart, "segments")]
    return "\n".join(filter(None, lines))


def _rich_text(block: Json, names: Names, depth: int) -> str:
    numbers: dict[int, int] = {}
    parts = (_rich_part(part, names, numbers) for part in objects(block, "elements"))
    return "\n".join(part for part in parts if part.strip())


def _rich_part(part: Json, names: Names, numbers: dict[int, int]) -> str:
    text = _rich_content(part, names, numbers)
    # A quotation with a list or code in it is several parts; those have a border.
    if part.get("type") == "rich_text_quote" or part.get("border"):
        return "\n".join(f"> {line}" for line in text.splitlines())
    return text


def _rich_content(part: Json, names: Names, numbers: dict[int, int]) -> str:
    kind, elements = part.get("type"), objects(part, "elements")
    if kind == "rich_text_list":
        lines = list_lines(part, lambda words: _line(words, names), numbers, bullet="•")
        return "\n".join(lines)
    numbers.clear()
    is_code = kind == "rich_text_preformatted"
    text = _line(elements, names, styled=not is_code).strip("\n")
    return f"```{string(part, 'language')}\n{text}\n```" if is_code else text


def _line(elements: Iterable[Json], names: Names, *, styled: bool = True) -> str:
    return "".join(inline_text(each, names, styled=styled) for each in elements)


def list_lines(
    part: Json, write: Callable[[list[Json]], str], numbers: dict[int, int], *, bullet: str
) -> Iterator[str]:
    """Yield the items of a list, whose words *write* returns.

    A list goes on after one that is indented further: *numbers* has the last of each indent.
    """
    indent, is_ordered = min(count(part, "indent"), DEEPEST), part.get("style") == "ordered"
    for ended in [each for each in numbers if each > indent or (each == indent and not is_ordered)]:
        del numbers[ended]
    if is_ordered and part.get("offset") is not None:
        numbers[indent] = count(part, "offset")
    for item in objects(part, "elements"):
        mark = bullet
        if is_ordered:
            numbers[indent] = numbers.get(indent, 0) + 1
            mark = f"{numbers[indent]}."
        yield f"{'    ' * indent}{mark} {write(objects(item, 'elements'))}"


def inline_text(element: Json, names: Names, *, styled: bool = True) -> str:
    """Return the text of an element within a line; with *styled* code is marked."""
    write = INLINE.get(str(element.get("type")))
    text = write(element, names) if write else _other_inline(element, names)
    style = element.get("style")
    is_code = styled and isinstance(style, Mapping) and style.get("code")
    return f"`{text}`" if is_code and text else text


def _other_inline(element: Json, names: Names) -> str:
    """Write a canvas, a list's item or another thing that stands in a sentence, on one line."""
    known = {key: value for key, value in element.items() if key != "url"}
    label = " ".join(_any_text(known, names, 1).split())
    return link(string(element, "url"), label) or f"[{str(element.get('type')).replace('_', ' ')}]"


def _date(element: Json) -> str:
    return string(element, "fallback") or str(element.get("timestamp", ""))


INLINE: Mapping[str, Callable[[Json, Names], str]] = {
    "text": lambda element, names: string(element, "text"),
    "link": lambda element, names: link(string(element, "url"), string(element, "text")),
    "emoji": lambda element, names: f":{string(element, 'name')}:",
    "user": lambda element, names: f"@{names.user(string(element, 'user_id'))}",
    "channel": lambda element, names: f"#{names.channel(string(element, 'channel_id'))}",
    "usergroup": lambda element, names: f"@{names.group(string(element, 'usergroup_id'))}",
    "broadcast": lambda element, names: f"@{string(element, 'range')}",
    "date": lambda element, names: _date(element),
    "color": lambda element, names: string(element, "value"),
}

WRITERS: Mapping[str, Callable[[Json, Names, int], str]] = {
    "mrkdwn": _mrkdwn,
    "plain_text": _plain,
    "raw_text": _plain,
    "raw_number": _number,
    "markdown": _plain,
    "image": _image,
    "context": _context,
    "button": _button,
    "table": _table,
    "data_table": _table,
    "data_visualization": _chart,
    "checkboxes": _choices,
    "radio_buttons": _choices,
    "rich_text": _rich_text,
}


def string(block: Json, key: str) -> str:
    """Return the string *key*, or an empty one if there is none."""
    value = block.get(key)
    return value if isinstance(value, str) else ""


def count(block: Json, key: str) -> int:
    """Return the number *key*, or 0 if there is none."""
    value = block.get(key)
    return max(value, 0) if isinstance(value, int) else 0


def _object(block: Json, key: str) -> Json:
    value = block.get(key)
    return value if isinstance(value, Mapping) else {}


def sequence(block: Json, key: str) -> Sequence[Any]:
    """Return the list *key*, or an empty one if there is none."""
    value = block.get(key)
    return value if isinstance(value, list) else []


def objects(block: Json, key: str) -> list[Json]:
    """Return the objects in the list *key*, whatever else an app put there."""
    return [each for each in sequence(block, key) if isinstance(each, Mapping)]
