"""The HTTP endpoints that an app calls: the Web API, response URLs and files."""
