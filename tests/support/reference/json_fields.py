"""The page of the fields of `--json`, from answers of the commands."""

from collections.abc import Mapping

from tests.support.reference.json_examples import examples

HEAD = """\
# JSON

The fields of `tracebot COMMAND --json`, a contract for scripts: fields are added, never renamed.
Times are RFC 3339 in UTC, `…_ms` are milliseconds, `…_usd` dollars; but those of `health` and of a
span's events are nanoseconds since 1970, and sizes are bytes. A value that is unknown is
`null`, never `0`; so any field may be `null`. `[]` is each item of a list, `*` any name.
[Commands](commands.md) explains the fields; this page is made by `scripts/reference` from answers
of the code.

An error is `{"error": "…"}`, with exit code 1 or 2. `cancel`, `forget`, and the orders of `alerts`,
`budget` and `errors` answer with `{"message": "…"}`.
"""

SHAPES = {
    "trace": frozenset(("trace_id", "span_count")),
    "figures": frozenset(("traces", "error_rate", "p50_ms")),
}
"""Objects that many answers contain → names by which they are known. They are listed once."""

ANY_NAME = frozenset(
    ("attributes", "left_alone", "rows", "refused", "cut", "details", "saved", "lost")
)
"""Objects whose names are data."""

UNKNOWN = {
    "empty_at": "text",
    "instead": "text",
    "snoozed_until": "text",
    "acknowledged_by": "text",
    "changed_at": "text",
    "changed_by": "text",
    "hard_usd": "number",
    "value": "number",
    "model": "text",
    "version": "text",
    "sessions": "text",
    "problem": "text",
    "input_tokens": "number",
    "output_tokens": "number",
    "cached_tokens": "number",
    "cost_usd": "number",
    "previous": "text",
    "next": "text",
    "move differences[]": "text",
    "traces[]": "[trace](#trace)",
}
"""Types of the fields that are null in all examples, with the command where it matters."""

Fields = dict[str, str]


def json_page() -> str:
    found: dict[str, Fields] = {}
    shapes: dict[str, Fields] = {name: {} for name in SHAPES}
    for command, value in examples():
        _add(found.setdefault(command, {}), shapes, value)
    commands = "".join(_section(name, fields) for name, fields in sorted(found.items()))
    return HEAD + commands + "".join(_section(name, fields) for name, fields in shapes.items())


def _section(name: str, fields: Fields) -> str:
    rows = "".join(
        f"| `{path}` | {_known(name, path, kind)} |\n"
        for path, kind in fields.items()
        if not _is_told(path, kind, fields)
    )
    return f"\n## {name}\n\n| field | type |\n|---|---|\n{rows}"


def _is_told(path: str, kind: str, fields: Fields) -> bool:
    """Return whether a list that was empty once has fields of its items from another time."""
    return kind == "null" and any(each.startswith(f"{path}.") for each in fields)


def _known(command: str, path: str, kind: str) -> str:
    if kind != "null":
        return kind
    name = path.rpartition(".")[2]
    return UNKNOWN.get(f"{command} {name}") or UNKNOWN[name]


def _add(fields: Fields, shapes: Mapping[str, Fields], value: object, path: str = "") -> None:
    """Add the fields of an answer; those of a known shape to that shape."""
    if isinstance(value, Mapping):
        shape = next((name for name, keys in SHAPES.items() if keys <= value.keys()), None)
        if shape and path:
            fields[path] = f"[{shape}](#{shape})"
            fields, path = shapes[shape], ""
        for name, item in value.items():
            shown = "*" if path.rpartition(".")[2] in ANY_NAME else name
            _add(fields, shapes, item, f"{path}.{shown}".lstrip("."))
    elif isinstance(value, list):
        for item in value or [None]:
            _add(fields, shapes, item, f"{path}[]")
    else:
        kinds = {KINDS[type(value)], *fields.get(path, "null").split(" or ")}
        fields[path] = " or ".join(sorted(kinds - {"null"})) or "null"


KINDS = {type(None): "null", bool: "boolean", str: "text", int: "number", float: "number"}
