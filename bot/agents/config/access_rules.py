"""Read who may ask an agent: the tables [access], [access.MODE] and [agents.NAME.access].

Each key is taken from the most specific table that has it, so that an agent's own table needs only
what differs. `people` and `groups` belong together: the table that has one of them decides both.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bot.agents.config.toml_section import RosterError, TomlSection
from bot.agents.types import DIRECT, AccessRule, Agent, Mode

GROUP_SCOPE = "usergroups:read"
"""The scope that user groups need. manifest.yml does not ask for it, since few need groups."""

MODES: tuple[Mode, ...] = ("query", "execute")


@dataclass(frozen=True, slots=True)
class _Ids:
    """A kind of id in a rule: the form it has, and how to say so."""

    pattern: re.Pattern[str]
    hint: str


PEOPLE = _Ids(
    re.compile(r"[UW][A-Z0-9]{2,}"),
    "ids of people such as U0123456789, which the ⋮ menu of a profile copies (anybody can take "
    "another name)",
)
GROUPS = _Ids(re.compile(r"S[A-Z0-9]{2,}"), "ids of user groups such as S0123456789")
BOTS = _Ids(re.compile(r"B[A-Z0-9]{2,}"), "bot ids such as B0123456789, which traces show")
CHANNELS = _Ids(
    re.compile(rf"[CDG][A-Z0-9]{{2,}}|{DIRECT}"),
    f'ids of channels such as C0123456789, or "{DIRECT}" for direct messages',
)

LISTS = {"people": PEOPLE, "groups": GROUPS, "channels": CHANNELS}
LISTS_OR_FLAGS = {
    "guests": PEOPLE,
    "strangers": PEOPLE,
    "workflows": BOTS,
    "shared_channels": CHANNELS,
}
RULE_KEYS = (*LISTS, *LISTS_OR_FLAGS)


def check_access(access: TomlSection) -> None:
    """Raise `RosterError` if [access] or the table of a mode in it has a mistake."""
    access.only((*RULE_KEYS, *MODES))
    for table in (access, *map(access.table, MODES)):
        if table is not access:
            table.only(RULE_KEYS)
        _rule([table])


def agent_rule(access: TomlSection, agent: TomlSection, mode: Mode) -> AccessRule:
    """Return the rule of an agent. Raise `RosterError` if its own table has a mistake."""
    own = agent.table("access")
    own.only(RULE_KEYS)
    return _rule([own, access.table(mode), access])


def refuse_groups_without_scope(agents: Iterable[Agent], *, scopes: Collection[str]) -> None:
    """Raise `RosterError` if a rule names user groups that the Slack app may not read."""
    named = [agent.name for agent in agents if agent.access.groups]
    if named and GROUP_SCOPE not in scopes:
        raise RosterError(
            f"The agents file names user groups in the rule of {', '.join(named)}, but the Slack "
            f"app lacks the scope {GROUP_SCOPE}. Add it on the app's page under OAuth & "
            "Permissions and install the app again, or list people instead of groups."
        )


def _rule(tables: Sequence[TomlSection]) -> AccessRule:
    """Return the rule in `tables`, the most specific one first."""
    values: dict[str, bool | frozenset[str]] = {}
    for keys in (("people", "groups"), *((key,) for key in RULE_KEYS[2:])):
        for table in tables:
            own = [key for key in keys if key in table.values]
            values |= {key: _value(table, key) for key in own}
            if own:
                break
    return AccessRule(**values)  # type: ignore[arg-type]  # Lists are checked to be lists.


def _value(table: TomlSection, key: str) -> bool | frozenset[str]:
    value, may_be_flag = table.values[key], key in LISTS_OR_FLAGS
    if may_be_flag and isinstance(value, bool):
        return value
    kind = LISTS_OR_FLAGS[key] if may_be_flag else LISTS[key]
    if not isinstance(value, list) or not all(
        isinstance(each, str) and kind.pattern.fullmatch(each) for each in value
    ):
        flags = "true, false or " if may_be_flag else ""
        raise table.error(key, f"{key} must be {flags}a list of {kind.hint}")
    return frozenset(value)
