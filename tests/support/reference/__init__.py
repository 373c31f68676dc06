"""Write the pages of docs/ that are made from the code and from other pages: `scripts/reference`.

`tests/docs/test_reference.py` holds the pages equal to what this makes.
"""

from collections.abc import Callable, Mapping

from tests.support.paths import ROOT
from tests.support.reference.json_fields import json_page
from tests.support.reference.llms import llms_page
from tests.support.reference.options import options_page
from tests.support.reference.settings import settings_page

FOLDER = ROOT / "docs"

PAGES: Mapping[str, Callable[[], str]] = {
    "reference/options.md": options_page,
    "reference/settings.md": settings_page,
    "reference/json.md": json_page,
    "llms.txt": llms_page,
}
"""The page's file and the function that makes its text."""
