"""What people configured cannot be used; the message says what would do.

ConfigurationError
├── bot.settings.SettingsError
└── bot.agents.section.RosterError
"""


class ConfigurationError(Exception):
    """Known to the command line, which must not import who raises it."""
