"""Lead to Slack's form for a new app."""

import os
import sys
import webbrowser
from collections.abc import Mapping

from bot.cli.init.dialogue import Dialogue
from bot.cli.manifest import NEW_APP, manifest_path, new_app_link


def create_app(dialogue: Dialogue) -> None:
    """Open the form with the manifest filled in, or say where it is."""
    dialogue.step("Create the Slack app")
    dialogue.tell(
        "Slack's form for a new app opens with tracebot's manifest filled in: scopes, events, "
        "/trace. Choose your workspace there, then Next and Create."
    )
    if _has_browser() and dialogue.confirm("Open it in your browser?"):
        if webbrowser.open(new_app_link()):
            return
        dialogue.refuse("No browser could be opened.")
    dialogue.link(NEW_APP, to=new_app_link())
    dialogue.tell(
        "If the manifest is not filled in there, choose From a manifest, and paste "
        f"{manifest_path()}."
    )


def _has_browser(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether there is a desktop: elsewhere a browser would take over the terminal."""
    desktop = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    here = sys.platform == "darwin" or any(environ.get(name) for name in desktop)
    return here and "SSH_CONNECTION" not in environ
