"""requirements.lock pins what pyproject.toml asks for."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", LOCK, re.MULTILINE)
}


def test_each_dependency_is_pinned_to_a_version_that_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    for requirement in map(Requirement, wanted):
        pin = PINS.get(canonicalize_name(requirement.name))
        assert pin and pin in requirement.specifier, f"run scripts/lock: {requirement} is at {pin}"


def test_time_zones_come_with_tracebot_on_every_platform() -> None:
    """Images such as ubuntu and debian-slim have none, and Python takes those of this package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "tzdata" in {Requirement(each).name for each in project["dependencies"]}
    assert re.search(r"^tzdata==[\w.]+ \\$", LOCK, re.MULTILINE), "no marker limits it"


def test_the_lock_names_no_host() -> None:
    assert "://" not in LOCK
