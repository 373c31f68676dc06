"""Turn Markdown into plain words, for notifications and for clients that show no blocks."""

from collections.abc import Iterator, Sequence

from markdown_it.token import Token

from bot.replies.text.markdown import PARSER


def plain_words(markdown: str) -> str:
    """Return the words of *markdown* without its marks: a link as `label (address)`.

    Each paragraph, list item, table row and line of code is a line; there are no blank ones. What
    has no words, such as a rule, or is nested too deeply to be read, is returned as it is.
    """
    lines = "\n".join(_pieces(PARSER.parse(markdown))).split("\n")
    words = "\n".join(line.rstrip() for line in lines if line.strip())
    return words or markdown.strip()


def _pieces(tokens: Sequence[Token]) -> Iterator[str]:
    bullet = ""
    row: list[str] | None = None
    for token in tokens:
        if token.type == "list_item_open":
            bullet = f"{token.info}. " if token.info else "• "
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close" and row is not None:
            yield ", ".join(row)
            row = None
        elif token.type == "inline" and row is not None:
            row.append(_words(token.children or ()))
        elif token.type == "inline":
            yield bullet + _words(token.children or ())
            bullet = ""
        elif token.type in ("fence", "code_block", "html_block"):
            yield token.content


def _words(tokens: Sequence[Token]) -> str:
    words: list[str] = []
    links: list[tuple[int, str]] = []
    for token in tokens:
        if token.type == "link_open":
            links.append((len(words), str(token.attrGet("href") or "")))
        elif token.type == "link_close":
            start, address = links.pop()
            if "".join(words[start:]) not in (address, address.removeprefix("mailto:")):
                words.append(f" ({address})")
        elif token.type in ("softbreak", "hardbreak"):
            words.append("\n")
        else:
            # An image's content is its description. HTML is shown as it is: Slack shows it, too.
            words.append(token.content)
    return "".join(words)
