"""Slack's own command line starts the app: `slack run` calls the hooks of .slack/hooks.json."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT

HOOKS = json.loads((ROOT / ".slack" / "hooks.json").read_text())["hooks"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a clone that is set up, with the environment of the tests."""
    for name in (".slack", "manifest.yml", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "setup").symlink_to("/bin/true")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(
    hook: str, project: Path, *options: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a hook as Slack's command line does: through a shell, with its options behind."""
    command = " ".join((HOOKS[hook], *options))
    environ = {"HOME": str(project), "PATH": "/usr/bin:/bin", **environ}
    return subprocess.run(
        ["sh", "-c", command], cwd=project, env=environ, capture_output=True, text=True, timeout=60
    )


def test_slack_run_gets_the_manifest_as_json(project: Path) -> None:
    done = run("get-manifest", project, f"--source={project}")
    assert json.loads(done.stdout) == yaml.safe_load((ROOT / "manifest.yml").read_text())


def test_slack_run_starts_the_bot_with_the_tokens_that_it_passes(project: Path) -> None:
    (project / ".env").write_text("SLACK_BOT_TOKEN=xoxb-of-another-app\nSLACK_APP_TOKEN=\n")
    done = run("start", project, SLACK_BOT_TOKEN="nonsense", SLACK_APP_TOKEN="xapp-1")
    assert "SLACK_BOT_TOKEN is not valid" in done.stderr
