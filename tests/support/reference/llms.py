"""The list of all pages for language models, as https://llmstxt.org describes it."""

import re

from tests.support.paths import ROOT

PAGE = re.compile(r"- \[.+\]\(.+\): .+")


def llms_page() -> str:
    """Return the title, the first sentence and the pages of docs/index.md."""
    title, about, rest = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").split("\n\n", 2)
    kept = [
        f"\n{line}\n" if line.startswith("## ") else line
        for line in rest.splitlines()
        if line.startswith("## ") or PAGE.fullmatch(line)
    ]
    return "\n".join([title, "", f"> {about}", *kept, ""])
