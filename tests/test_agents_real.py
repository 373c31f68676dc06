"""claude, codex and gemini themselves, headless, against a stand-in of their model on loopback.

The first run installs them from npm (tests/agent_programs.py); without npm the tests are skipped.
"""

import threading
import time
from pathlib import Path

import pytest

from bot.agents.agent import AgentCancelled, AgentError, Progress, Request
from bot.agents.cancellation import Cancellation
from tests.agent_programs import provider
from tests.loopback_models import Hang, Refuse, Say, Use, model_server

REAL = ("claude", "codex", "gemini")
TOOLS = {
    "Bash": {"command": "echo hello", "description": "Say hello"},
    "exec_command": {"cmd": "echo hello"},
    "list_directory": {"dir_path": "."},
}
WRITES = {
    "Write": {"file_path": "{work}/made.txt", "content": "made"},
    "exec_command": {"cmd": "echo made > made.txt"},
    "write_file": {"file_path": "{work}/made.txt", "content": "made"},
}
WRONG_KEY = Refuse(status=401, kind="invalid_api_key", message="Incorrect API key.")


@pytest.mark.parametrize("name", REAL)
def test_it_answers_and_says_what_it_took(name: str, tmp_path: Path) -> None:
    heard: list[Progress] = []
    prompt = "--help me: what is 6 × 7? $(id) `id`"
    with model_server(Use(arguments=TOOLS), Say(text="It is forty two.")) as models:
        agent = provider(name, models.url, tmp_path)
        reply = agent.answer(Request(prompt=prompt, on_progress=heard.append))
    assert models.unexpected == []
    assert (reply.text, reply.provider, reply.exit_code) == ("It is forty two.", name, 0)
    assert (reply.tool_calls, reply.cached_tokens) == (1, 2_000)
    assert reply.input_tokens is not None and 2_240 <= reply.input_tokens < 2_300
    assert reply.session_id
    assert "".join(progress.text for progress in heard).strip() == "It is forty two."
    assert [progress.tool for progress in heard if progress.tool] != []
    _, asked = models.requests[0]
    assert str(asked).count("what is 6 × 7? $(id) `id`") == 1, "the prompt is sent once, as it is"


@pytest.mark.parametrize("name", REAL)
def test_only_in_execute_mode_it_changes_files(name: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    arguments = {
        tool: {key: value.format(work=work) for key, value in given.items()}
        for tool, given in WRITES.items()
    }
    made = work / "made.txt"
    for mode, changes in (("query", False), ("execute", True)):
        with model_server(Use(arguments=arguments, optional=True), Say()) as models:
            agent = provider(name, models.url, tmp_path)
            assert agent.answer(Request(prompt="Make it.", mode=mode)).text == "Forty two."  # type: ignore[arg-type]
        assert made.exists() is changes, f"{name} in {mode} mode: {models.requests[-1]}"


@pytest.mark.parametrize("name", REAL)
def test_a_wrong_key_is_told_apart(name: str, tmp_path: Path) -> None:
    with model_server(WRONG_KEY) as models, pytest.raises(AgentError) as caught:
        provider(name, models.url, tmp_path).answer(Request(prompt="x"))
    assert caught.value.error_type == "authentication"


@pytest.mark.parametrize("name", REAL)
def test_it_can_be_stopped_while_its_model_thinks(name: str, tmp_path: Path) -> None:
    cancellation = Cancellation()
    with model_server(Hang()) as models:

        def cancel() -> None:
            deadline = time.monotonic() + 60
            while not models.requests and time.monotonic() < deadline:
                time.sleep(0.02)
            cancellation.cancel("U1")

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(AgentCancelled):
            provider(name, models.url, tmp_path).answer(
                Request(prompt="x", cancellation=cancellation)
            )
        canceller.join()
        assert models.requests
