"""Agents that are programs: their command lines, their output and their processes."""
