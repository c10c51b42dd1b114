"""Which domains a search may show: the client's lists, checked here because not every engine has such a filter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from dragoman.core.messages import SearchSource


def _rule(text: str) -> tuple[str, str]:
    """Host and path prefix of a rule such as `example.com`, `*.example.com`, `https://example.com/docs` or
    `example.com/*/docs` (the Messages protocol lets a path hold a star)."""
    text = text.strip().lower()
    text = text.partition("://")[2] or text
    host, slash, path = text.partition("/")
    host = host.rpartition("@")[2].partition(":")[0].strip(".").removeprefix("*.")
    return host, (slash + path).rstrip("/") if path else ""


def _matches(url: str, rule: str) -> bool:
    host, path = _rule(rule)
    try:
        parts = urlsplit(url)
        name = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    if not host or (name != host and not name.endswith("." + host)):
        return False
    stars = ".*".join(re.escape(part) for part in path.split("*"))
    return not path or re.match(rf"{stars}(/|$)", parts.path.lower()) is not None


def is_wanted(url: str, allowed: Sequence[str], blocked: Sequence[str]) -> bool:
    """Whether the lists let this page be shown. A blocked domain is blocked even where it is allowed too."""
    if any(_matches(url, rule) for rule in blocked):
        return False
    return not allowed or any(_matches(url, rule) for rule in allowed)


def wanted(sources: Iterable[SearchSource], allowed: Sequence[str], blocked: Sequence[str]) -> list[SearchSource]:
    """The sources that may be shown, in order."""
    return [source for source in sources if is_wanted(source.url, allowed, blocked)]
