"""Agents that are programs: what each is told, and how what it prints is understood."""
