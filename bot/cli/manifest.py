"""The app's manifest: where it is, and the link that creates the Slack app from it."""

import math
import re
from importlib.metadata import files
from pathlib import Path
from urllib.parse import quote

NEW_APP = "https://api.slack.com/apps?new_app=1"


def manifest_path() -> Path:
    """Return the path of manifest.yml, in the checkout or of the installed wheel."""
    beside = Path(__file__).parents[2] / "manifest.yml"
    if beside.exists():
        return beside
    # Only pip knows where: an installation for one user, or on Debian, is not below sys.prefix.
    return next(Path(file.locate()) for file in files("tracebot") or () if file.name == beside.name)


def new_app_link() -> str:
    """Return the link to Slack's form for a new app, with the manifest filled in.

    Terminals take links of up to 2,083 bytes. So the manifest is written on one line of YAML, where
    few characters need escaping, and without the long description, which only the app's page shows.
    """
    import yaml  # Late: `init` asks its first question without it.

    manifest = yaml.safe_load(manifest_path().read_text(encoding="utf-8"))
    manifest["display_information"].pop("long_description", None)
    line = yaml.safe_dump(
        manifest, default_flow_style=True, width=math.inf, sort_keys=False, allow_unicode=True
    )
    # Texts with a comma in them are quoted, and stay as they are.
    shorter = re.sub(r"('[^']*')|, ", lambda found: found[1] or ",", line.strip())
    return f"{NEW_APP}&manifest_yaml={quote(shorter, safe=':,/')}"
