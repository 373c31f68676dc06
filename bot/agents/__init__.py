"""Agents: what they are asked and answer, the providers behind them, and how they are recorded."""
