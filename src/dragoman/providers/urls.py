"""Where a call goes and with which headers; refuses keys that belong to another host before any call is made.

URLs come from the provider's row and the person's base URL, never from a client. Headers are built here from nothing:
no client header passes unless the row names it, and neither a row nor a person can name one that authenticates or
that belongs to a single connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dragoman.catalog import ProviderRow
from dragoman.catalog.urls import endpoint_url, host_matches, host_of, split_base
from dragoman.core.messages import WireName
from dragoman.errors import ConfigError
from dragoman.version import __version__

USER_AGENT = f"dragoman/{__version__}"
ANTHROPIC_VERSION = "2023-06-01"
"""The protocol version that every server of the Messages protocol knows."""
FORBIDDEN_HEADERS = frozenset(
    {
        "authorization",
        "api-key",
        "x-api-key",
        "x-goog-api-key",
        "proxy-authorization",
        "proxy-authenticate",
        "www-authenticate",
        "cookie",
        "set-cookie",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "content-encoding",
        "expect",
    }
)
"""Headers that no row, person or request can set."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def endpoint(row: ProviderRow, wire: WireName, base_url: str | None = None) -> str:
    """The URL to post to. Raises ConfigError, naming the setting, when the base URL cannot be one."""
    base = base_url or row.base_url
    own = row.urls.get(wire)
    if not own and not base:
        raise ConfigError(f"provider {row.id!r} has no base URL; set base_url in [providers.{row.id}]")
    try:
        if own:
            split_base(own)
            return own.strip()
        return endpoint_url(base, row.paths, wire)
    except ConfigError as error:
        raise ConfigError(f"[providers.{row.id}] base_url: {error.message}", param="base_url") from None


def check_key(row: ProviderRow, key: str | None, url: str) -> None:
    """Refuses a key whose family belongs to other hosts of the same vendor. Raises ConfigError with the remedy.

    Keys of no known family, and hosts that are not the vendor's own, are never judged.
    """
    if not key or not row.key_families:
        return
    host = host_of(url)
    family = next((f for f in row.key_families if key.startswith(f.prefix)), None)
    known = [h for f in row.key_families for h in f.hosts]
    if family is None or not host_matches(host, known) or host_matches(host, family.hosts):
        return
    bases = " or ".join(f"https://{h}" for h in family.hosts)
    setting = f" (or {row.base_url_env})" if row.base_url_env else ""
    raise ConfigError(
        f"the key of provider {row.id!r} starts with {family.prefix!r} and does not belong to {host}: set base_url in "
        f"[providers.{row.id}]{setting} to {bases}, or use a key for {host}",
        code="key_host_mismatch",
        param="base_url",
    )


def build_headers(
    row: ProviderRow,
    wire: WireName,
    key: str | None,
    *,
    stream: bool,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of one call, names in lower case, with exactly one that carries the key.

    more: the account's own headers. Raises ConfigError for a header that may not be set, and for a missing key; a
    provider that the person made may do without one.
    """
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "user-agent": USER_AGENT,
    }
    if wire == "messages":
        headers["anthropic-version"] = ANTHROPIC_VERSION
    for source in (row.headers, more or {}):
        for name, value in source.items():
            headers[_checked(row, name, value)] = value
    if key:
        name, value = _auth(row, key)
        headers[name] = value
    elif not (row.keyless or row.custom):
        env = row.key_env[0] if row.key_env else ""
        remedy = f"set {env}, or api_key in [providers.{row.id}]" if env else f"set api_key in [providers.{row.id}]"
        raise ConfigError(f"provider {row.id!r} has no key; {remedy}", param="api_key")
    return headers


def _auth(row: ProviderRow, key: str) -> tuple[str, str]:
    if re.search(r"[^\x21-\x7e]", key):
        raise ConfigError(
            f"the key of provider {row.id!r} holds a space, a line break or a character that no key has; copy it again",
            param="api_key",
        )
    return ("authorization", f"Bearer {key}") if row.auth == "bearer" else (row.auth, key)


def _checked(row: ProviderRow, name: str, value: str) -> str:
    lower = name.lower()
    if lower in FORBIDDEN_HEADERS:
        raise ConfigError(f"[providers.{row.id}] headers: {name} cannot be set; use api_key and auth", param="headers")
    if not _NAME.fullmatch(name) or re.search(r"[\r\n\0]", value):
        raise ConfigError(f"[providers.{row.id}] headers: {name!r} is no valid header", param="headers")
    return lower
