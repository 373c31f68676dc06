"""Block Kit: the shapes and limits of blocks, and Slack's messages about violations."""
