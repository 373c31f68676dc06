"""Parse what each agent's program prints: a JSON object on each line.

The formats were read from the programs themselves (tests/support/agents_output has what they
printed): claude 2.1.197, codex 0.169.0, gemini 0.61.0, copilot 1.0.102, opencode 1.18.33.
"""
