"""A fortnight of a team with the bot, played by the real bot in under a minute.

`plot` says what happens, as data; `stage` plays it in a sandbox with a moved clock. Only the demo
and the tests load this.
"""
