"""The real agent programs from npm, connected to a stand-in for their model's API.

They are installed once into the user's cache (`~/.cache/tracebot/agents`, 3 to 6 seconds and 100
to 400 MB each) in the versions that are named here, and get a home folder of the test's own.
"""

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs
import pytest

from bot.agents.programs.catalog import CLAUDE, CODEX, COPILOT, GEMINI, OPENCODE, Program
from bot.agents.programs.process.supervisor import Limits
from bot.agents.programs.provider import CommandProvider

PACKAGES = {
    "claude": "@anthropic-ai/claude-code@2.1.197",
    "codex": "@openai/codex@0.169.0",
    "gemini": "@google/gemini-cli@0.61.0",
    "copilot": "@github/copilot@1.0.102",
    "opencode": "opencode-ai@1.18.33",
}
INSTALL_S = 90
REMEMBERED_S = 600
"""Set once npm has failed to reach its registry, so that it is not tried for each program."""


def installed(name: str) -> Path:
    """Return the program, installed if necessary; skip the test with the reason if that fails."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not here: it is needed to install the agents' programs")
    package = PACKAGES[name]
    folder = platformdirs.user_cache_path("tracebot") / "agents" / package.replace("/", "_")
    program = folder / "node_modules" / ".bin" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _install(npm, package, folder)
    return program


def _install(npm: str, package: str, folder: Path) -> None:
    failure = folder.parent / "failure"
    if failure.exists() and time.time() < failure.stat().st_mtime + REMEMBERED_S:
        pytest.skip(failure.read_text())
    (folder / "package.json").write_text("{}")
    command = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries=1", "--prefix"]
    try:
        subprocess.run(
            [*command, str(folder), package], check=True, capture_output=True, timeout=INSTALL_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        failure.write_text(f"npm could not install {package}: {said[-1] if said else error}")
        pytest.skip(failure.read_text())


def provider(
    name: str, url: str, home: Path, *, timeout_s: float = 60, **options: object
) -> CommandProvider:
    """Return the real program as a provider, with the stand-in at *url* as its model."""
    environment = SETTINGS[name](url, home)
    work = home / "work"
    work.mkdir(parents=True, exist_ok=True)
    return CommandProvider(
        agent=name,
        program=PROGRAMS[name],
        command=(str(installed(name)),),
        environment={"HOME": str(home), **environment},
        working_directory=work,
        limits=Limits(timeout_s=timeout_s, grace_s=2),
        environ={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        **options,  # type: ignore[arg-type]
    )


def agents_file(program: CommandProvider, **settings: str) -> str:
    """Return an agents file with the program as its agent `helper`."""
    environment = ", ".join(
        f"{name} = {json.dumps(value)}" for name, value in program.environment.items()
    )
    values = {"working_directory": str(program.working_directory), **settings}
    lines = [
        "[agents.helper]",
        f'provider = "{program.name}"',
        f"command = {json.dumps(program.command)}",
        f"environment = {{ {environment} }}",
        *(f"{key} = {json.dumps(value)}" for key, value in values.items()),
    ]
    return "\n".join(lines)


def _claude(url: str, home: Path) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "sk-ant-not-a-key",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _codex(url: str, home: Path) -> dict[str, str]:
    _write(
        home / ".codex" / "config.toml",
        f"""
        model = "gpt-5.4"
        model_provider = "stand_in"
        [model_providers.stand_in]
        name = "A stand-in"
        base_url = "{url}/v1"
        wire_api = "responses"
        env_key = "OPENAI_API_KEY"
        request_max_retries = 0
        stream_max_retries = 0
        """,
    )
    return {"OPENAI_API_KEY": "sk-not-a-key"}


def _gemini(url: str, home: Path) -> dict[str, str]:
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    _write(home / ".gemini" / "settings.json", json.dumps(settings))
    return {"GEMINI_API_KEY": "not-a-key", "GOOGLE_GEMINI_BASE_URL": url}


def _copilot(url: str, home: Path) -> dict[str, str]:
    return {
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_API_KEY": "sk-not-a-key-but-long-enough",
        "COPILOT_MODEL": "gpt-5.4",
        "COPILOT_OFFLINE": "true",
    }


def _opencode(url: str, home: Path) -> dict[str, str]:
    options = {"baseURL": f"{url}/v1", "apiKey": "sk-not-a-key"}
    stand_in = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "A stand-in",
        "options": options,
        "models": {"one": {"name": "one"}},
    }
    config = {
        "provider": {"stand_in": stand_in},
        "model": "stand_in/one",
        "small_model": "stand_in/one",
        "autoupdate": False,
        "share": "disabled",
    }
    path = home / "opencode.json"
    _write(path, json.dumps(config))
    return {"OPENCODE_CONFIG": str(path), "OPENCODE_DISABLE_MODELS_FETCH": "1"}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


PROGRAMS: Mapping[str, Program] = {
    each.name: each for each in (CLAUDE, CODEX, GEMINI, COPILOT, OPENCODE)
}
SETTINGS: Mapping[str, Callable[[str, Path], dict[str, str]]] = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "copilot": _copilot,
    "opencode": _opencode,
}
