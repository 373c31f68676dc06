"""Mistakes in an agents file as a whole: what is wrong, where, and what to write instead."""

from pathlib import Path

import pytest

from bot.agents.config.roster import RosterError, load_roster

ECHO = "[agents.echo]\nprovider = 'echo'\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", ": it defines no agent: write [agents.echo]"),
        (
            f"{ECHO}[[alerts]]\nrule = 'eror_rate>20%'\nchannel = 'C1'",
            """: the alert "eror_rate>20%" is wrong: eror_rate is not a measure: did you mean""",
        ),
        (
            f"{ECHO}[[alerts]]\nrule = 'cost>5 agent:ecko'\nchannel = 'C1'",
            """: the alert "cost>5 agent:ecko" is about no agent; did you mean echo?""",
        ),
        (
            f"{ECHO}[[alerts]]\nrule = 'cost>5'\nchannel = 'general'",
            ": general is not a channel's id",
        ),
        (f"{ECHO}[[alerts]]\nrule = 'cost>5'", ": an alert needs both a rule and a channel"),
        (f"{ECHO}[[alerts]]\nrules = 'cost>5'", ": unknown key rules; did you mean rule?"),
        ("a = 1\nb = =", ", line 2, column 5: this is not TOML: invalid value."),
        ("a = 1\nb =", ", at its end: this is not TOML: invalid value."),
        (b"# \xff", " is not UTF-8 text: save it as UTF-8."),
        ("agents = 1", ", line 1: agents must be a table: write [agents] on its own line."),
        ("[agents.'a b']", ", line 1, in [agents.a b]: the agent's name 'a b' must be letters"),
        ("[default]\n[agents.a]\nprovider = 'echo'", ", line 1: default must be a text"),
        (
            "default = 'b'\n[agents.abc]\nprovider = 'echo'",
            ", line 1: there is no agent b; known are abc.",
        ),
        (
            "[agents.echo]\nprovider = 'echo'\n[channels]\ngeneral = 'echo'",
            ", line 4, in [channels]: general is not a channel's id, which looks like C0123456789.",
        ),
        (
            "[agents.echo]\nprovider = 'echo'\n[channels]\nC0123456789 = 'ecko'",
            ", line 4, in [channels]: there is no agent ecko; did you mean echo?",
        ),
        (
            "[agents.a]\nprovider = 'claude'\narguments = '-p'",
            ", line 3, in [agents.a]: arguments must be a list of texts",
        ),
        (
            "[agents.a]\nprovider = 'claude'\ntimeout = true",
            ", line 3, in [agents.a]: timeout must be a number of seconds, such as 600.",
        ),
        (
            "[agents.a]\nprovider = 'claude'\ntimeout = 100000",
            ", line 3, in [agents.a]: timeout must be more than 0 and at most 86400 seconds.",
        ),
        (
            "[agents.a]\nprovider = 'claude'\nenvironment = { A = 1 }",
            ", line 3, in [agents.a]: environment must be a table of texts",
        ),
        (
            "[agents.a]\ncommand = ['wc']\nenvironment = { 'A=B' = 'x' }",
            ", line 3, in [agents.a]: 'A=B' is not a name that a variable can have.",
        ),
        (
            "[agents.a]\ncommand = ['wc']\nenvironment = { '' = 'x' }",
            ", line 3, in [agents.a]: '' is not a name that a variable can have.",
        ),
        ("[agents.a]\ncommand = ['']", ", line 2, in [agents.a]: the command is missing"),
        (
            "[agents.a]\ncommand = ['wc']\nworking_directory = '~nouser/src'",
            ", line 3, in [agents.a]: ~nouser/src is in the home of a user whom this machine",
        ),
        (
            "[agents.a]\ncommand = ['wc']\nread = ['~nouser/src']",
            ", line 3, in [agents.a]: ~nouser/src is in the home of a user whom this machine",
        ),
        (f"a = {'[' * 2000}{']' * 2000}", " cannot be read: "),
        (f"a = {'1' * 5000}", " cannot be read: Exceeds the limit"),
        (
            "[agents.a]\nprovider = 'openai'\nmodel = 'm'\nbase_url = 'http://a:b'",
            ", line 4, in [agents.a]: base_url must be an address, such as",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    path = tmp_path / "agents.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RosterError) as caught:
        load_roster(path)
    assert str(caught.value).startswith(f"{path}{sentence}")


def test_a_file_that_cannot_be_read_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match=r"cannot be read \(Is a directory\): set TRACEBOT_AG"):
        load_roster(tmp_path)


def test_an_unknown_agent_is_named_with_the_nearest_one() -> None:
    with pytest.raises(RosterError, match="There is no agent ecko; did you mean echo?"):
        load_roster(None).agent("ecko")
