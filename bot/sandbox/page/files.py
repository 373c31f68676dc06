"""The page's own files: HTML, styles, scripts and pictures, in the folder `static`."""

from functools import cache
from importlib.resources import files

from starlette.responses import Response

# A second line of defence: the page sets everything as text and loads nothing from elsewhere.
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
HEADERS = {
    "Content-Security-Policy": POLICY + "connect-src 'self'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


def page_file(name: str) -> Response:
    """Return a file of the page; 404 if it has none of this name."""
    content = _contents().get(name)
    if content is None:
        return Response(status_code=404)
    return Response(content, media_type=TYPES[name.rpartition(".")[2]], headers=HEADERS)


@cache
def _contents() -> dict[str, bytes]:
    """Return the contents by name. They are read once, because a test suite starts many pages."""
    folder = files("bot.sandbox.page").joinpath("static")
    return {each.name: each.read_bytes() for each in folder.iterdir()}
