"""What the bot posts: its texts, live replies, and their delivery."""
