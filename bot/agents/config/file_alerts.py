"""Read the alerts of an agents file: `[[alerts]]` with a `rule` and a `channel`."""

from collections.abc import Collection
from dataclasses import dataclass

from bot.agents.config.toml_section import TomlSection, nearest
from reports.alerts.grammar import condition_text, parse_condition
from reports.errors import UsageError


@dataclass(frozen=True, slots=True)
class FileAlert:
    """A rule as it is stored, and the id of the channel that its alert is posted in."""

    channel: str
    condition: str


def file_alerts(top: TomlSection, agents: Collection[str]) -> tuple[FileAlert, ...]:
    """Return the alerts of a file that has these agents. Raise `RosterError`."""
    if "alerts" not in top.values:
        return ()
    found = [_alert(top, table, agents) for table in top.tables("alerts", short="rule")]
    return tuple(dict.fromkeys(found))


def _alert(top: TomlSection, table: TomlSection, agents: Collection[str]) -> FileAlert:
    table.only(("rule", "channel"))
    if not {"rule", "channel"} <= table.values.keys():
        raise top.error("alerts", 'an alert needs both a rule and a channel = "C0123456789"')
    rule, channel = table.text("rule", ""), table.text("channel", "")
    try:
        condition = parse_condition(rule.split())
        text = condition_text(condition)
    except UsageError as error:
        raise top.error("alerts", f'the alert "{rule}" is wrong: {error}') from None
    if condition.channel is not None:
        raise top.error("alerts", f'the alert "{rule}" has in: leave it out, and keep channel')
    if condition.dimension == "agent" and condition.key not in agents:
        what = f'the alert "{rule}" is about no agent{nearest(condition.key, agents)}'
        raise top.error("alerts", what)
    return FileAlert(channel, text)
