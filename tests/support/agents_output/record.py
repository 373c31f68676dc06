"""Run the real programs against the stand-in of their model, and keep what they print.

    .venv/bin/python -m tests.agents_output.record [PROGRAM …]

Writes PROGRAM_CASE.jsonl beside this file; ids, paths and ports are replaced, nothing else. The
last line, `{"exit_code": …, "stderr": …}`, is ours.
"""

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bot.agents.errors import AgentError
from bot.agents.types import Request
from tests.support.agent_programs import PROGRAMS, provider
from tests.support.fake_models import ModelServer, Refuse, Say, Step, Use, model_server

HERE = Path(__file__).parent
TOOLS = {
    "Bash": {"command": "echo hello", "description": "Say hello"},
    "exec_command": {"cmd": "echo hello"},
    "list_directory": {"dir_path": "."},
    "bash": {"command": "echo hello", "description": "Say hello"},
}
QUOTA = Refuse(
    status=429,
    kind="insufficient_quota",
    message="You exceeded your current quota.",
    headers={"retry-after": "600"},
)
CASES: dict[str, list[Step]] = {
    "answer": [Say()],
    "tool": [Use(arguments=TOOLS), Say()],
    "authentication": [Refuse(status=401, kind="invalid_api_key", message="Incorrect API key.")],
    "quota": [QUOTA],
    "refused": [Say(text="No.", stop="refusal")],
    "thinking": [Say(thinking_tokens=90)],
    "long": [Say(text="word " * 20)],
}
REPLACED = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "0" * 8 + "-id"),
    (re.compile(r"\b(ses|prt|msg)_[0-9A-Za-z]{20,}"), r"\1_id"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:0"),
    (re.compile(r"/tmp/[\w./-]*"), "/home/agent"),
    (re.compile(r"/[\w./-]*/tracebot/agents/[\w.@/-]*"), "/usr/lib/agent"),
)
TEE = """
import subprocess, sys
with open(sys.argv[1], "wb", buffering=0) as kept:
    child = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE)
    for line in child.stdout:
        kept.write(line)
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
sys.exit(child.wait() & 255)
"""


def record(name: str, case: str) -> None:
    with model_server(*CASES[case]) as models, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _record(name, case, models, home)


def _record(name: str, case: str, models: ModelServer, home: Path) -> None:
    kept = home / "kept"
    real = provider(name, models.url, home, timeout_s=90)
    teed = replace(real, command=(sys.executable, "-c", TEE, str(kept), *real.command))
    stderr, exit_code = "", 0
    try:
        teed.answer(Request(prompt="What is it?"))
    except AgentError as error:
        stderr, exit_code = error.stderr[-1_500:], error.exit_code
    if not kept.exists():
        sys.stderr.write(f"{name} {case}: it did not end in time\n")
        return
    text = kept.read_text() + json.dumps({"exit_code": exit_code, "stderr": stderr}) + "\n"
    for pattern, replacement in REPLACED:
        text = pattern.sub(replacement, text)
    (HERE / f"{name}_{case}.jsonl").write_text(text)
    sys.stderr.write(f"{name} {case}: {len(text)} bytes; asked {len(models.requests)} times\n")
    sys.stderr.writelines(f"  unexpected: {each}\n" for each in models.unexpected)


if __name__ == "__main__":
    for program in sys.argv[1:] or PROGRAMS:
        for each in CASES:
            record(program, each)
    subprocess.run(["git", "status", "--short", str(HERE)], check=False)
