"""The server side of the workspace: changing it, and telling the app of each change."""
