"""`tracebot completion`: scripts for bash, zsh and fish, made from the parsers of the commands.

They know commands, options and their values, but not ids and other values that are recorded: these
would start Python at each press of Tab.
"""

import shlex
from argparse import Action, ArgumentParser
from collections.abc import Iterable, Iterator

from bot.cli.help import commands_of
from reports.commands.filters import PLATFORMS, STATUSES
from storage.model.filters import THUMBS

FILES = "FILES"
"""Stands for names of files among the values of an option."""
FILTERS = {"status": STATUSES, "platform": PLATFORMS, "feedback": THUMBS}
ORDERS = {
    "budget": ("add", "raise", "remove"),
    "alerts": ("add", "test", "snooze", "remove"),
    "errors": ("resolve", "mute", "reopen"),
    "digest": ("now",),
}
"""Command → the words after it that change something."""


def script(shell: str, parser: ArgumentParser) -> str:
    """Return the script that completes `tracebot` in a shell: bash, zsh or fish."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parser)


def _values(action: Action) -> tuple[str, ...]:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    if action.metavar in ("FILE", "PATH"):
        return (FILES,)
    return FILTERS.get(action.dest, ())


def _words(name: str, parser: ArgumentParser) -> tuple[str, ...]:
    """Return what a command takes that is not an option."""
    if name == "help":
        return ()
    taken = [_values(each) for each in parser._actions if not each.option_strings]
    return (*(value for values in taken for value in values), *ORDERS.get(name, ()))


def _options(parser: ArgumentParser) -> Iterator[Action]:
    return (each for each in parser._actions if each.option_strings)


BASH = """\
# Completes tracebot in bash: eval "$(tracebot completion bash)"
_tracebot() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local before=${{COMP_WORDS[COMP_CWORD-2]:-}} words=
    local command=${{COMP_WORDS[1]}}
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W {commands} -- "$cur"))
        return
    fi
    # Bash takes the colon of status:ok for a word of its own.
    if [[ $cur == : ]]; then before=$previous previous=: cur=; fi
    if [[ $previous == : ]]; then previous=--$before; fi
    case "$command $previous" in
{values}
    *) case $command in
{words}
        esac ;;
    esac
    if [[ $words == {files} ]]; then
        COMPREPLY=($(compgen -f -- "$cur"))
    else
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    fi
}}
complete -o default -F _tracebot tracebot
"""


def _bash(parser: ArgumentParser) -> str:
    commands = commands_of(parser)
    values, words = [], []
    for name, each in commands.items():
        for action in _options(each):
            if action.nargs != 0:
                cases = "|".join(f'"{name} {option}"' for option in action.option_strings)
                values.append(f"    {cases}) words={shlex.quote(' '.join(_values(action)))} ;;")
        options = [option for action in _options(each) for option in action.option_strings]
        taken = ["--", *options] if name == "run" else [*_words(name, each), *options]
        taken = [*commands] if name == "help" else taken
        taken = [each for each in taken if each != FILES]  # Which bash completes by default.
        words.append(f"        {name}) words={shlex.quote(' '.join(taken))} ;;")
    return BASH.format(
        commands=shlex.quote(" ".join([*commands, "--help", "--version"])),
        values="\n".join(values),
        words="\n".join(words),
        files=FILES,
    )


ZSH = """\
#compdef tracebot
# Completes tracebot in zsh: put this file as _tracebot into a folder of $fpath.
_tracebot() {{
    local -a commands=(
{commands}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}
    esac
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _tracebot "$@"
else
    compdef _tracebot tracebot
fi
"""


ZSH_RUN = (
    "if (( CURRENT > 2 )); then shift 2 words; (( CURRENT -= 2 )); _normal; else compadd -- --; fi"
)
"""Complete the command behind `run --` as if it stood alone."""


def _zsh(parser: ArgumentParser) -> str:
    commands = commands_of(parser)
    listed = [
        f"        {shlex.quote(f'{name}:{each.description}')}" for name, each in commands.items()
    ]
    cases = [
        f"    {name}) _arguments {' '.join(map(shlex.quote, _zsh_arguments(name, each)))} ;;"
        for name, each in commands.items()
        if name not in ("run", "help")
    ]
    cases += ["    help) _describe command commands ;;", f"    run) {ZSH_RUN} ;;"]
    return ZSH.format(commands="\n".join(listed), cases="\n".join(cases))


def _zsh_arguments(name: str, parser: ArgumentParser) -> Iterator[str]:
    for action in _options(parser):
        value = "" if action.nargs == 0 else f":{action.metavar}:{_zsh_values(_values(action))}"
        told = "".join(f"\\{each}" if each in "[]:\\" else each for each in action.help or "")
        for option in action.option_strings:
            yield f"{option}[{told}]{value}"
    words = _words(name, parser)
    yield f"*:word:{_zsh_values(words)}"


def _zsh_values(values: Iterable[str]) -> str:
    if FILES in values:
        return "_files"
    return f"({' '.join(values)})" if values else " "


def _fish(parser: ArgumentParser) -> str:
    lines = [
        "# Completes tracebot in fish: put this file into ~/.config/fish/completions.",
        "complete -c tracebot -f",
        "complete -c tracebot -n __fish_use_subcommand -s V -l version -d 'print the version'",
        "complete -c tracebot -n __fish_use_subcommand -s h -l help -d 'show this help'",
    ]
    commands = commands_of(parser)
    for name, each in commands.items():
        told = shlex.quote(each.description or "")
        lines.append(f"complete -c tracebot -n __fish_use_subcommand -a {name} -d {told}")
        lines += _fish_command(name, each)
    names = " ".join(commands)
    lines.append(f"complete -c tracebot -n '__fish_seen_subcommand_from help' -a '{names}'")
    others = "__fish_seen_subcommand_from run' -a '(__fish_complete_subcommand)"
    lines.append(f"complete -c tracebot -n '{others}'")
    return "\n".join(lines) + "\n"


def _fish_command(name: str, parser: ArgumentParser) -> Iterator[str]:
    used = f"complete -c tracebot -n '__fish_seen_subcommand_from {name}'"
    for action in _options(parser):
        names = " ".join(
            f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            for option in action.option_strings
        )
        value, told = _fish_value(action), shlex.quote(action.help or "")
        yield f"{used} {names}{value} -d {told}"
    words = _words(name, parser)
    if FILES in words:
        yield f"{used} -F"
    if others := [word for word in words if word != FILES]:
        yield f"{used} -a '{' '.join(others)}'"


def _fish_value(action: Action) -> str:
    if action.nargs == 0:
        return ""
    values = _values(action)
    if FILES in values:
        return " -r -F"
    return f" -x -a '{' '.join(values)}'" if values else " -x"
