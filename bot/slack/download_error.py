"""Why a file cannot be downloaded."""


class DownloadError(Exception):
    """A file that cannot be downloaded. The reason contains neither its name nor its address."""

    def __init__(self, error_type: str, reason: str) -> None:
        super().__init__(reason)
        self.error_type = error_type
        self.reason = reason
