"""Errors in what people configured. Each message says what is wrong and what to do about it.

ConfigurationError
├── bot.settings.SettingsError: an environment variable, or what it names in Slack
└── bot.agents.config.toml_section.RosterError: the agents file

Errors of Slack's client are in `bot.slack.errors`, those of agents in `bot.agents`.
"""


class ConfigurationError(Exception):
    """A setting or the agents file cannot be used.

    The command line catches this class, so that it need not import settings and agents to print
    their errors.
    """
