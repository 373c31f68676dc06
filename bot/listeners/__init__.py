"""What Slack asks of the bot, a file a kind of request. A listener only hands over.

Bolt fills a listener's parameters by their names, and skips keyword-only ones.
"""
