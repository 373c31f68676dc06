"""Convert CrewX's `crewx.yaml` to an agents file, with notes on what could not be converted."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bot.agents.config.roster import NAME
from bot.agents.config.toml_section import RosterError
from bot.agents.programs.catalog import PROGRAMS, Program
from bot.agents.types import Mode

BY_NAME: Mapping[str, Program] = {f"cli/{program.name}": program for program in PROGRAMS}
KNOWN = {"id", "name", "description", "provider", "working_directory", "options", "inline"}
KNOWN_INLINE = {"type", "provider", "model", "prompt", "system_prompt"}
MODES: tuple[Mode, ...] = ("query", "execute")
SAME_AS = {
    "--yolo": "--approval-mode",
    "-y": "--approval-mode",
    "-s": "--sandbox",
    "--full-auto": "--sandbox",
    "--dangerously-bypass-approvals-and-sandbox": "--sandbox",
    "--dangerously-skip-permissions": "--permission-mode",
    "--disallowedTools": "--disallowed-tools",
    "--allow-all-tools": "--allow-tool",
}
"""An option → the one of ours that it replaces."""


@dataclass(kw_only=True, slots=True)
class Imported:
    """The text of an agents file, and notes for the person who will use it."""

    text: str = ""
    notes: list[str] = field(default_factory=list)


def import_crewx(path: Path, *, folder: Path | None) -> Imported:
    """Convert the agents of `path` to an agents file in `folder`; None means in any folder.

    Raise `RosterError` if the file has no agent that can be converted.
    """
    document = _read(path)
    agents = document.get("agents")
    if not isinstance(agents, list) or not agents:
        raise RosterError(f"{path} has no list of agents: pass the path of a crewx.yaml.")
    imported = Imported()
    tables = []
    for number, agent in enumerate(agents, 1):
        entry = _Entry(agent, imported.notes, number)
        table = entry.table(path.absolute().parent, folder)
        if table is not None:
            tables.append(table)
    if not tables:
        raise RosterError(f"{path}: none of its agents can be imported: {' '.join(imported.notes)}")
    imported.notes += [
        f"{key} is not imported: tracebot has nothing like it."
        for key in document
        if key not in ("agents", "version")
    ]
    header = (
        f'# Imported from {path.name}. Agents only read: mode = "execute" lets one change files.'
    )
    imported.text = "\n\n".join([header, *tables]) + "\n"
    return imported


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RosterError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        raise RosterError(
            f"{path}{line}: this is not YAML: pass the path of a crewx.yaml."
        ) from None
    if not isinstance(document, dict):
        raise RosterError(f"{path} has no keys: pass the path of a crewx.yaml.")
    return document


class _Entry:
    """An agent of a crewx.yaml."""

    def __init__(self, agent: Any, notes: list[str], number: int) -> None:
        self._agent: dict[str, Any] = agent if isinstance(agent, dict) else {}
        inline = self._agent.get("inline")
        self._inline: dict[str, Any] = inline if isinstance(inline, dict) else {}
        self._name = str(self._agent.get("id") or f"agent {number}")
        self._notes = notes

    def table(self, home: Path, folder: Path | None) -> str | None:
        """Return its table for the agents file, None if it cannot be converted."""
        if not NAME.fullmatch(self._name):
            self._note("is left out: its id must be letters and digits, with . _ - between them")
            return None
        programs = self._programs()
        if not programs:
            self._note("is left out: tracebot knows none of its providers")
            return None
        values: dict[str, object] = {}
        if "working_directory" in self._agent:
            values["working_directory"] = self._folder(home, folder)
        tables = [self._provider(program, first=program is programs[0]) for program in programs]
        if len(tables) == 1:
            values = {**tables[0], **values}
        else:
            values["providers"] = [
                table["provider"] if len(table) == 1 else table for table in tables
            ]
        prompt = self._inline.get("system_prompt") or self._inline.get("prompt")
        if prompt:
            values["instructions"] = str(prompt).strip()
        self._note_the_rest(str(prompt or ""))
        return _toml(self._name, values)

    def _programs(self) -> list[Program]:
        given = self._agent.get("provider") or self._inline.get("provider") or []
        names = [str(each) for each in (given if isinstance(given, list) else [given])]
        for name in names:
            if name not in BY_NAME and f"cli/{name}" not in BY_NAME:
                kind = '"openai" or "anthropic"' if name.startswith("api/") else '"command"'
                self._note(f"its provider {name} is not imported: write it with {kind}")
        found = [BY_NAME.get(name) or BY_NAME.get(f"cli/{name}") for name in names]
        return [program for program in found if program is not None]

    def _provider(self, program: Program, *, first: bool) -> dict[str, object]:
        table: dict[str, object] = {"provider": program.name}
        # A model belongs to one provider: if there is one, CrewX asks only the first provider.
        if first and (model := self._inline.get("model")):
            table["model"] = str(model)
        options = self._agent.get("options")
        if isinstance(options, list):
            options = dict.fromkeys(MODES, options)
        if isinstance(options, dict):
            chosen = {mode: self._options(options.get(mode), program) for mode in MODES}
            for mode in MODES:
                if chosen[mode]:
                    table[f"{mode}_arguments"] = _merged(program, mode, chosen[mode])
        return table

    def _options(self, options: Any, program: Program) -> list[str]:
        """Return the options for a program: they are one list, or a list for each provider."""
        if isinstance(options, dict):
            options = options.get(f"cli/{program.name}") or options.get(program.name)
        return [str(each) for each in options] if isinstance(options, list) else []

    def _folder(self, home: Path, folder: Path | None) -> str:
        given = Path(os.path.expanduser(str(self._agent["working_directory"])))
        # In the home of a user who is not here: the agents file is refused with this line.
        nowhere = str(given).startswith("~")
        as_it_is = folder == home or given.is_absolute() or nowhere
        return str(given if as_it_is else (home / given).resolve())

    def _note_the_rest(self, prompt: str) -> None:
        if "{{" in prompt:
            self._note("its prompt has {{templates}}, which are copied but not filled in")
        for key in [*(self._agent.keys() - KNOWN), *(self._inline.keys() - KNOWN_INLINE)]:
            self._note(f"its key {key} is not imported")

    def _note(self, what: str) -> None:
        self._notes.append(f"{self._name}: {what}.")


def _merged(program: Program, mode: Mode, options: list[str]) -> list[str]:
    """Return our own arguments for the mode, except those that an option replaces, and options."""
    replaced = {SAME_AS.get(_option(each), _option(each)) for each in options}
    ours: list[str] = []
    for part in program.mode_arguments.get(mode, ()):
        if not part.startswith("-") and ours and _option(ours[-1]) in replaced:
            continue
        if _option(part) not in replaced:
            ours.append(part)
    return ours + [each for each in options if each not in program.arguments]


def _option(argument: str) -> str:
    return argument.partition("=")[0]


def _toml(name: str, values: Mapping[str, object]) -> str:
    bare = name if NAME.fullmatch(name) and "." not in name else _quoted(name)
    lines = [f"[agents.{bare}]"]
    for key, value in values.items():
        if key == "instructions":
            lines.append(f"{key} = {_paragraph(str(value))}")
        else:
            lines.append(f"{key} = {_value(value)}")
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(each)}' for key, each in value.items())} }}"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    # A JSON string is a TOML string, except that TOML requires DEL to be escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _paragraph(text: str) -> str:
    if "\n" not in text:
        return _quoted(text)
    lines = (_quoted(line)[1:-1] for line in text.splitlines())
    return '"""\n' + "\n".join(lines) + '"""'
