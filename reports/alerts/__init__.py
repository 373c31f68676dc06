"""Alerts: the words of their rules, what they measure, and when they speak."""
