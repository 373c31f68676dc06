"""Read the model of an HTTP API from the agents file."""

from collections.abc import Mapping
from dataclasses import replace

import httpx

from bot.agents.config.toml_section import TomlSection
from bot.agents.models.api import TIMEOUT_S, Endpoint
from bot.agents.models.provider import APIS, HttpProvider


def http_provider(
    section: TomlSection, agent: str, environ: Mapping[str, str], *, api: str
) -> HttpProvider:
    """Return the provider that a table describes; its key is read from `environ` now, once."""
    found = APIS[api]
    if "model" not in section.values:
        raise section.error("provider", 'the model is missing: write model = "…"')
    endpoint = Endpoint(
        agent=agent,
        api=found,
        model=section.text("model", ""),
        base_url=_base_url(section, found.base_url),
        max_tokens=section.integer("max_tokens"),
        temperature=section.number("temperature", most=2),
        timeout_s=section.seconds("timeout", TIMEOUT_S),
    )
    variable = _key_variable(section, endpoint)
    if variable is None:
        return HttpProvider(endpoint=endpoint)
    key = environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise section.error(
            "api_key_env",
            f"the value of {variable} is not a key: a key is plain ASCII without spaces",
        )
    return HttpProvider(endpoint=replace(endpoint, key_variable=variable, key=key or None))


def _key_variable(section: TomlSection, endpoint: Endpoint) -> str | None:
    """Return the variable that holds the key; a server with another address needs it named."""
    if "api_key_env" in section.values:
        return section.text("api_key_env", "")
    # The vendor's key is for the vendor: it is never sent to another server unasked.
    official = endpoint.base_url == endpoint.api.base_url
    return endpoint.api.key_variable if official else None


def _base_url(section: TomlSection, default: str) -> str:
    value = section.text("base_url", default).rstrip("/")
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise section.error("base_url", f'base_url must be an address, such as "{default}"')
    if url.userinfo or url.query or url.fragment:
        raise section.error(
            "base_url",
            "base_url must be an address without a key or parameters: name the variable of a key "
            "with api_key_env",
        )
    return value
