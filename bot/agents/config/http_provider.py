"""Read the model of an HTTP API from the agents file."""

from collections.abc import Mapping
from dataclasses import replace

import httpx

from bot.agents.config.toml_section import TomlSection
from bot.agents.models.call import TIMEOUT_S, Endpoint
from bot.agents.models.provider import APIS, HttpProvider


def build(
    section: TomlSection, agent: str, environ: Mapping[str, str], *, dialect: str
) -> HttpProvider:
    """The model of an agents file's table; its key is read from `environ` once, here."""
    spoken = APIS[dialect]
    if "model" not in section.values:
        raise section.error("provider", 'model is missing: write model = "…"')
    endpoint = Endpoint(
        agent=agent,
        dialect=spoken,
        model=section.text("model", ""),
        base_url=_base_url(section, spoken.base_url),
        max_tokens=section.integer("max_tokens"),
        temperature=section.number("temperature", most=2),
        timeout_s=section.seconds("timeout", TIMEOUT_S),
    )
    variable = _key_variable(section, endpoint)
    if variable is None:
        return HttpProvider(endpoint=endpoint)
    key = environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise section.error("api_key_env", f"what {variable} holds is no key: it has a space in it")
    return HttpProvider(endpoint=replace(endpoint, key_variable=variable, key=key or None))


def _key_variable(section: TomlSection, endpoint: Endpoint) -> str | None:
    """A server of one's own gets no key unless one is named for it."""
    if "api_key_env" in section.values:
        return section.text("api_key_env", "")
    official = endpoint.base_url == endpoint.dialect.base_url
    return endpoint.dialect.key_variable if official else None


def _base_url(section: TomlSection, default: str) -> str:
    value = section.text("base_url", default).rstrip("/")
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise section.error("base_url", f'base_url is an address, such as "{default}"')
    if url.userinfo or url.query or url.fragment:
        raise section.error(
            "base_url", "base_url is an address alone: a key is named with api_key_env"
        )
    return value
