"""Bolt listeners, one module per kind of request. They acknowledge it and hand it over.

Bolt fills a listener's parameters by their names, and skips keyword-only ones.
"""
