"""Slack's Web API: clients, messages, threads, users, files, reactions and errors."""
