"""Base URLs as people write them, made into endpoint URLs.

A base URL may come with or without a trailing slash, `/v1`, `/anthropic` or even the whole endpoint path; no segment
is ever doubled. Pure; knows no vendor: the paths come from the provider's row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from dragoman.core.messages import WireName
from dragoman.errors import ConfigError

DEFAULT_PATHS: dict[WireName, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
"""Where a compatible server has its endpoints when nothing else is said."""

_VERSION = re.compile(r"v\d+[a-z]*\d*")


@lru_cache(maxsize=256)
def host_of(url: str) -> str:
    """The host that a URL names, in lower case; "" for none."""
    return (urlsplit(url).hostname or "").lower()


def split_base(url: str) -> tuple[str, list[str]]:
    """`scheme://host[:port]` and the path segments. Raises ConfigError for what cannot be a base URL."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"base URL {url!r} cannot be read: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"base URL {url!r} must start with http:// or https:// and name a host")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise ConfigError(f"base URL {url!r} must not hold a query or a fragment")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("a base URL must not hold a user name or password; put the key into api_key")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    return origin, [segment for segment in parts.path.split("/") if segment]


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _strip_known(have: list[str], paths: Iterable[str]) -> tuple[list[str], bool]:
    """Takes off the longest end of `have` that is the beginning of a known path."""
    best = 0
    for path in paths:
        want = _segments(path)
        for count in range(min(len(have), len(want)), best, -1):
            if have[-count:] == want[:count]:
                best = count
                break
    return (have[:-best], True) if best else (have, False)


def endpoint_url(base_url: str, paths: Mapping[WireName, str], wire: WireName) -> str:
    """The endpoint of `wire` under `base_url`. Raises ConfigError when the base URL cannot be one."""
    known = paths or DEFAULT_PATHS
    return _joined(base_url, tuple(known.values()), known.get(wire) or DEFAULT_PATHS[wire])


@lru_cache(maxsize=256)
def _joined(base_url: str, known: tuple[str, ...], path: str) -> str:
    """`path` under `base_url`, of which what already stands there is not repeated."""
    origin, have = split_base(base_url)
    root, stripped = _strip_known(have, known)
    want = _segments(path)
    if not stripped and have and _VERSION.fullmatch(have[-1]):
        root, want = _versioned(have, want, {_version(_segments(other))[1] for other in known})
    return origin + "".join(f"/{segment}" for segment in (*root, *want))


def _version(path: list[str]) -> tuple[int, str]:
    """Where the last version stands in a path, and which it is; (-1, "") where there is none."""
    versions = [(index, segment) for index, segment in enumerate(path) if _VERSION.fullmatch(segment)]
    return versions[-1] if versions else (-1, "")


def _versioned(have: list[str], want: list[str], versions: set[str]) -> tuple[list[str], list[str]]:
    """What stands before and behind, for a base that is a version root of the person's own (`/api/coding/paas/v4`).

    Only what follows the version is added, unless the root is plainly another wire's: of that wire's version, or
    without the segments that this wire has before its own. Then this wire's path stands beside it.
    """
    at, version = _version(want)
    rest = iter(have)
    is_own = all(segment in rest for segment in want[: max(at, 0)])
    if is_own and (not version or have[-1] == version or have[-1] not in versions):
        return have, want[at + 1 :]
    return have[: have.index(want[0])] if want[0] in have else have[:-1], want


def host_matches(host: str, known: Iterable[str]) -> bool:
    """Whether `host` is one of `known` or a subdomain of one; never by substring: `x.com.evil.net` is a stranger."""
    name = host.lower().rstrip(".")
    return any(name == item or name.endswith("." + item) for item in known)
