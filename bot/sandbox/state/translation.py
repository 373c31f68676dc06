"""Turn `markdown` blocks into the blocks that Slack stores in their place.

A heading, a rule and a table become blocks of their own, and all else becomes rich text. Slack does
not publish the grammar; this is CommonMark.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from bot.sandbox.state.values import Json

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
STYLES = {"strong": "bold", "em": "italic", "s": "strike"}


def translated(blocks: Iterable[Json]) -> list[Json]:
    """Return blocks as the app reads them."""
    return [
        each
        for block in blocks
        for each in (_named(block) if block["type"] == "markdown" else [block])
    ]


def _named(block: Json) -> Iterator[Json]:
    for number, each in enumerate(_stored(block["text"])):
        yield {**each, "block_id": f"{block.get('block_id')}-{number}"}


@lru_cache(maxsize=500)  # A message is read many times.
def _stored(text: str) -> tuple[Json, ...]:
    blocks: list[Json] = []
    for node in SyntaxTreeNode(PARSER.parse(text)).children:
        if node.type == "heading":
            words = "".join(each["text"] for each in _inlines(node.children[0]) if "text" in each)
            blocks.append({"type": "header", "text": {"type": "plain_text", "text": words}})
        elif node.type == "hr":
            blocks.append({"type": "divider"})
        elif node.type == "table":
            blocks.append({"type": "table", "rows": list(_rows(node))})
        else:
            if not blocks or blocks[-1]["type"] != "rich_text":
                blocks.append({"type": "rich_text", "elements": []})
            blocks[-1]["elements"] += _parts(node)
    return tuple(blocks)


def _rows(table: SyntaxTreeNode) -> Iterator[list[Json]]:
    for row in (each for each in table.walk() if each.type == "tr"):
        cells = [list(_inlines(cell.children[0])) for cell in row.children]
        if row.parent is not None and row.parent.type == "thead":
            texts = ("".join(each["text"] for each in cell) for cell in cells)
            yield [{"type": "raw_text", "text": text} for text in texts]
        else:
            yield [{"type": "rich_text", "elements": [_section(cell)]} for cell in cells]


def _section(elements: list[Json]) -> Json:
    return {"type": "rich_text_section", "elements": elements}


def _parts(node: SyntaxTreeNode, indent: int = 0) -> Iterator[Json]:
    """Yield what stands in a rich text for a paragraph, a list, a quotation or code."""
    if node.type in ("bullet_list", "ordered_list"):
        yield from _lists(node, indent)
    elif node.type == "blockquote":
        for part in (each for child in node.children for each in _parts(child, indent)):
            is_text = part["type"] == "rich_text_section"
            yield part | ({"type": "rich_text_quote"} if is_text else {"border": 1})
    elif node.type in ("fence", "code_block"):
        language = {"language": node.info} if node.type == "fence" and node.info else {}
        code = [{"type": "text", "text": node.content.removesuffix("\n")}]
        yield {"type": "rich_text_preformatted", "elements": code, **language}
    elif node.type == "html_block":
        yield _section([{"type": "text", "text": node.content}])
    else:  # A rich text has no tables and no rules: of those only the words.
        for words in (each for each in node.walk() if each.type == "inline"):
            yield _section([*_inlines(words), {"type": "text", "text": "\n"}])


def _lists(node: SyntaxTreeNode, indent: int) -> Iterator[Json]:
    """Yield the items of a list; what stands within one of them comes between two lists."""
    style = "bullet" if node.type == "bullet_list" else "ordered"
    first = int(node.attrs.get("start") or 1) - 1
    items: list[Json] = []
    for number, item in enumerate(node.children, first):
        words, within = [], list(item.children)
        if within and within[0].type == "paragraph":
            words = list(_inlines(within.pop(0).children[0]))
        if not items:
            offset = {"offset": number} if style == "ordered" and number else {}
            shape = {"type": "rich_text_list", "style": style, "indent": indent, **offset}
            yield {**shape, "elements": items}  # They are added below.
        items.append(_section(words))
        if within:
            items = []
        for part in within:
            yield from _parts(part, indent + 1)


def _inlines(node: SyntaxTreeNode, style: frozenset[str] = frozenset()) -> Iterator[Json]:
    for each in node.children:
        if each.type in STYLES:
            yield from _inlines(each, style | {STYLES[each.type]})
        elif each.type == "link":
            label = "".join(part["text"] for part in _inlines(each) if "text" in part)
            yield _styled({"type": "link", "url": each.attrs["href"], "text": label}, style)
        elif each.type in ("softbreak", "hardbreak"):
            yield {"type": "text", "text": "\n"}
        elif each.content:
            code = {"code"} if each.type == "code_inline" else set()
            yield _styled({"type": "text", "text": each.content}, style | code)


def _styled(element: Json, style: frozenset[str]) -> Json:
    return element | ({"style": dict.fromkeys(sorted(style), True)} if style else {})
