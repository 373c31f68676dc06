"""Paths in the checkout that the tests run in."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "manifest.yml"

MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
"""Variables for a process with its own environment, so that its coverage is measured, too."""
