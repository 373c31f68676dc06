"""The text of an answer: read as Markdown, made presentable, and cut into messages."""
