"""Renderers: `render(view)` returns the output for Slack, a terminal or a script."""
