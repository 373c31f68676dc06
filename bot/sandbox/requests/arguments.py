"""The arguments of a Web API call, sent as a form, a query or JSON."""

import json
from collections.abc import Mapping
from typing import Any

from bot.sandbox.state.errors import Refusal

TRUE = frozenset({"1", "true", "True"})


class Arguments:
    """Read arguments by name and type. Raises `Refusal` if one is missing or malformed."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        return None if value is None else str(value)

    def need(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise Refusal("invalid_arguments", f"missing required field: {name}")
        return value

    def flag(self, name: str) -> bool:
        return str(self.values.get(name, "")) in TRUE

    def number(self, name: str, default: int, *, most: int) -> int:
        text = self.text(name)
        if text is None or text == "":
            return default
        if not text.isdigit() or int(text) < 1:
            raise Refusal("invalid_limit")
        return min(int(text), most)

    def json(self, name: str, *, error: str = "invalid_arguments") -> Any:
        """Return a structure: plain in a JSON body, encoded as text in a form."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if value == "":
            return None
        try:
            return json.loads(value)
        except ValueError as failure:
            raise Refusal(error) from failure

    def objects(self, name: str, *, error: str) -> list[dict[str, Any]] | None:
        value = self.json(name, error=error)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise Refusal(error)
        return value
