"""Write the pages of docs/reference that the code makes: `scripts/reference`.

`tests/docs/test_reference.py` holds the pages equal to what this makes.
"""

from collections.abc import Callable, Mapping

from tests.support.paths import ROOT
from tests.support.reference.json_fields import json_page
from tests.support.reference.options import options_page
from tests.support.reference.settings import settings_page

FOLDER = ROOT / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "options.md": options_page,
    "settings.md": settings_page,
    "json.md": json_page,
}
"""The page's file and the function that makes its text."""
