"""The link to Slack's form for a new app has the manifest in it."""

from urllib.parse import parse_qs, urlsplit

import yaml

from bot.cli.manifest import manifest_path, new_app_link


def test_the_link_holds_the_manifest_and_is_short_enough_for_a_terminal() -> None:
    link = new_app_link()
    asked = parse_qs(urlsplit(link).query)
    manifest = yaml.safe_load(manifest_path().read_text())
    del manifest["display_information"]["long_description"]  # Only the app's page shows it.
    assert yaml.safe_load(asked["manifest_yaml"][0]) == manifest
    assert asked["new_app"] == ["1"]
    assert len(link) <= 2_083 and link.isascii() and " " not in link
