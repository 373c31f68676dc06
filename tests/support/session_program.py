"""A program that keeps sessions as claude does, and what it was asked.

It is a script of the shell, which starts in a few milliseconds.
"""

import json
from pathlib import Path

SCRIPT = r"""#!/bin/sh
home=$CLAUDE_CONFIG_DIR
turn=$(ls "$home" | grep -c prompt)
session= model=
while [ $# -gt 0 ]; do
  if [ "$1" = --resume ]; then session=$2; fi
  if [ "$1" = --model ]; then model=$2; fi
  shift
done
cat > "$home/prompt-$turn"
printf %s "$session" > "$home/resumed-$turn"
if [ -n "$session" ] && [ ! -e "$home/session-of-$session" ]; then
  echo '{"type":"result","subtype":"error_during_execution","is_error":true,"session_id":"other"}'
  echo "No conversation found with session ID: $session" >&2
  exit 1
fi
if [ -e "$home/damaged" ] && [ -n "$session" ]; then exit 7; fi
if [ -e "$home/full" ] && [ -n "$session" ]; then
  spent='"usage":{"input_tokens":70000,"output_tokens":0}'
  echo '{"type":"result","is_error":true,"result":"Prompt is too long",'"$spent}"
  exit 1
fi
if [ "$model" = busy ]; then
  echo '{"type":"result","is_error":true,"result":"429 too many requests"}'
  exit 1
fi
if [ -e "$home/failing" ]; then
  echo '{"type":"result","is_error":true,"result":"the model is away","session_id":"s-'$turn'"}'
  exit 1
fi
session=${session:-s-$turn}
: > "$home/session-of-$session"
usage='"usage":{"input_tokens":5,"cache_read_input_tokens":90,"output_tokens":3}'
answer='"result":"answer '$turn'","session_id":"'$session'"'
echo '{"type":"result","is_error":false,'"$answer,$usage"'}'
"""


class SessionProgram:
    """The program, and its folder with what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "claude"
        self.work = folder / "work"
        self.path = folder / "bin" / "claude"
        for each in (self.home, self.work, self.path.parent):
            each.mkdir()
        self.path.write_text(SCRIPT)
        self.path.chmod(0o700)

    def agents(self, name: str = "claude", *, models: tuple[str, ...] = (), **settings: str) -> str:
        """Return a table of an agents file, with a provider for each of the models.

        The model `busy` does not answer.
        """
        providers = ", ".join(
            f'{{ provider = "claude", model = {json.dumps(model)} }}' for model in models
        )
        values = {"working_directory": str(self.work), **settings}
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        environment = f"{{ CLAUDE_CONFIG_DIR = {json.dumps(str(self.home))} }}"
        return "\n".join(
            [
                f"[agents.{name}]",
                f"providers = [{providers}]" if models else 'provider = "claude"',
                f"command = [{json.dumps(str(self.path))}]",
                f"environment = {environment}",
                *lines,
            ]
        )

    def prompts(self) -> list[str]:
        """Return what it was asked, in order."""
        return [path.read_text() for path in self._kept("prompt")]

    def resumed(self) -> list[str]:
        """Return the session with which it should go on each time, empty for a new one."""
        return [path.read_text() for path in self._kept("resumed")]

    def lose_sessions(self) -> None:
        for path in self._kept("session-of"):
            path.unlink()

    def _kept(self, kind: str) -> list[Path]:
        found = self.home.glob(f"{kind}-*")
        return sorted(found, key=lambda path: (len(path.name), path.name))
