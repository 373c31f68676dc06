"""The demo's agents: stand-ins for claude and codex that answer a few questions, at a pace.

Each is a shell script that prints what the real program would, with pauses, so that one can watch
a reply grow. Nothing of them needs a network, a key or an account.
"""

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bot.agents.config.roster import Roster, load_roster
from bot.cli.fortnight.programs import AFTER, TRANSCRIPTS
from bot.cli.fortnight.story import Attempt, Tool
from bot.cli.fortnight.topics import TOPICS

AGENTS = """\
default = "claude"

[agents.claude]
providers = [
  {{ provider = "claude", command = [{claude}] }},
  {{ provider = "codex", command = [{codex}], model = "gpt-5.2-codex" }},
]
isolation = "off"

[agents.codex]
provider = "codex"
command = [{codex}]
model = "gpt-5.2-codex"
isolation = "off"
"""

PROGRAM = """\
#!/bin/sh
# Plays a program of the demo's agents: finds what it answers to the last message it is given.
prompt=$(cat)
case "${{prompt##*Answer this message}}" in
{cases}
*) play={other} ;;
esac
. "$0.$play"
"""

CLAUDE = Attempt(
    program="claude",
    model="claude-opus-4-8",
    first_s=0.2,
    writing_s=0.05,
    input_tokens=82_400,
    cached_tokens=61_000,
    output_tokens=940,
    cost=161_000,
)
CODEX = Attempt(
    program="codex",
    model="gpt-5.2-codex",
    first_s=0.05,
    writing_s=0.05,
    input_tokens=31_200,
    cached_tokens=24_000,
    output_tokens=420,
)

SLOW = "why is checkout slow since this morning?"
NOTES = "what is new in this release?"
THEN = "which of them was asked for most?"
ENDLESS = "rewrite the checkout service in Rust"
ENDLESS_S = 180.0
"""How long that takes, in seconds: so long that it is running when the demo presses Stop, however
busy the machine is, and in a workspace that stays open not quite as long as an agent may work."""

PLAYS: Mapping[str, tuple[Attempt, Attempt]] = {
    SLOW: (
        replace(
            CLAUDE,
            aloud="I look at the pods first, then at what they log.",
            tools=(
                Tool(name="Bash", about="kubectl top pods -n checkout", seconds=0.3, output="3"),
                Tool(name="Bash", about="kubectl logs checkout-7f9c", seconds=0.3),
                Tool(name="Read", about="checkout/pool.py", seconds=0.1, output="size = 20"),
            ),
            text="Its **connection pool is exhausted**: 20 connections for 64 workers.\n\n"
            "```python\npool = Pool(size=64)  # checkout/pool.py, line 12\n```",
        ),
        CODEX,
    ),
    NOTES: (
        Attempt(program="claude", model=CLAUDE.model, first_s=0.05, ending="overloaded"),
        replace(
            CODEX,
            text="- Digests come at the local time of their channel.\n"
            "- Files are read before the agent starts.",
        ),
    ),
    THEN: (
        replace(
            CODEX,
            program="claude",
            model=CLAUDE.model,
            text="Digests at local time: in seven threads.",
            cost=42_000,
        ),
        CODEX,
    ),
    ENDLESS: (
        replace(
            CLAUDE,
            aloud="I read all of the service before I begin.",
            tools=(Tool(name="Bash", about="find checkout -name '*.py'", seconds=ENDLESS_S),),
            text="Done, after a while.",
        ),
        CODEX,
    ),
}
"""Question → what claude does when it is asked, and codex, which is asked if claude fails."""

OTHER = (
    "I am only a script of the demo. I have an answer to some questions, such as "
    f"“{SLOW}” or “{TOPICS[0].text}” — and I can be stopped: “{ENDLESS}”. "
    "`tracebot init` puts a real agent in my place."
)
WORDS, TYPING_S = 4, 0.03
"""How many words claude writes at once, and how long that takes, in seconds."""

WATCHED = "watched"
UNTIL_WATCHED = f'until [ -e "${{0%/*}}/{WATCHED}" ]; do sleep 0.02; done'
"""A program that thinks aloud waits for a file of this name, which the demo creates once it saw the
reply grow: on a busy machine the program would end before Slack shows anything."""


def write_agents(folder: Path, *, pause: float) -> Roster:
    """Write the agents and their programs into *folder*. All their pauses last *pause* times.

    *folder* is their home, too: in it the bot creates the folders of their configuration.
    """
    folder.mkdir(exist_ok=True)
    plays = list(_plays().items())
    cases = (f"*{shlex.quote(question)}*) play={n} ;;" for n, (question, _) in enumerate(plays))
    program = PROGRAM.format(cases="\n".join(cases), other=len(plays))
    for index, name in enumerate(("claude", "codex")):
        (folder / name).write_text(program)
        (folder / name).chmod(0o700)
        for number, (_, attempts) in enumerate([*plays, ("", _both(OTHER))]):
            script = "\n".join(_script(attempts[index], pause))
            (folder / f"{name}.{number}").write_text(script)
    file = folder / "agents.toml"
    paths = {name: json.dumps(str(folder / name)) for name in ("claude", "codex")}
    file.write_text(AGENTS.format(**paths))
    return load_roster(file, environ={**os.environ, "HOME": str(folder)})


def _plays() -> dict[str, tuple[Attempt, Attempt]]:
    """Return the plays of the demo, and those of the questions of the recorded week."""
    topics = {topic.text: _both(topic.answer, topic.tools) for topic in TOPICS}
    further = {topic.then[0]: _both(topic.then[1]) for topic in TOPICS if topic.then}
    return {**topics, **further, **PLAYS}


def _both(text: str, tools: tuple[Tool, ...] = ()) -> tuple[Attempt, Attempt]:
    brief = tuple(replace(tool, seconds=0.5) for tool in tools)
    return replace(CLAUDE, text=text, tools=brief), replace(CODEX, text=text, tools=brief)


def _script(attempt: Attempt, pause: float) -> Iterator[str]:
    """Yield the lines of a shell script that prints what the attempt's program would."""
    last = f"t{len(attempt.tools) - 1}"
    for event in TRANSCRIPTS[attempt.program](attempt):
        after = event.pop(AFTER, 0.0)
        if isinstance(after, float) and after:
            yield f"sleep {after * pause:.2f}"
        if attempt.aloud and event["type"] == "user" and last in json.dumps(event):
            yield UNTIL_WATCHED
        for piece in _typed(event):
            yield f"printf '%s\\n' {shlex.quote(json.dumps(piece))}"
            if piece["type"] == "stream_event":
                yield f"sleep {TYPING_S * pause:.2f}"
    yield f"exit {int(attempt.ending != 'answer')}"


def _typed(event: dict[str, object]) -> Iterator[dict[str, object]]:
    """Yield an event of claude's text as several of a few words, any other as it is."""
    match event:
        case {"type": "stream_event", "event": {"delta": {"text": str(text)} as delta}}:
            words = text.split(" ")
            for first in range(0, len(words), WORDS):
                piece = " ".join(words[first : first + WORDS])
                space = " " if first + WORDS < len(words) else ""
                yield {**event, "event": {"delta": {**delta, "text": piece + space}}}
        case _:
            yield event
