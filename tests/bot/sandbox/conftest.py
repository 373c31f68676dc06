"""Fixtures of the workspace's page in a browser that all tests share."""

from collections.abc import Iterator

import pytest

from tests.support.browser import Page, browser


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def page(chromium: Page) -> Iterator[Page]:
    """Return an empty page with a light theme; at the end, its console must have no complaints."""
    chromium.prefer("light")
    yield chromium
    complaints = [*chromium.complaints]
    chromium.leave()
    chromium.complaints.clear()
    assert complaints == []
