"""Who may use the gateway: the key, and without a key only this machine's own programs, never a web page.

Pure but for the digest: in, the request's headers and path; out, None or an `AccessDenied`. Without a
key the Host must be a loopback name or an allowed one (else a page could reach us by DNS rebinding), and a request with
an Origin that is not allowed is refused, `null` included. No CORS headers unless an origin was allowed.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection
from functools import lru_cache
from hashlib import sha256

from starlette.datastructures import Headers

from dragoman.errors import AccessDenied, ConfigError

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})
"""Asked without a key: they tell nothing."""


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine. No lookup is made."""
    host = host.strip().rstrip(".").lower().removeprefix("[").removesuffix("]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(value: str) -> str:
    """The name in a Host header or an authority, without its port."""
    value = value.strip().lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0].rstrip(".")


def check_bind(host: str, api_key: str | None) -> None:
    """Refuses to listen publicly without a key. Raises ConfigError."""
    if not api_key and not is_loopback(host):
        raise ConfigError(
            f"server.host is {host!r}, which others can reach, and server.api_key is not set; "
            "set DRAGOMAN_API_KEY (or [server] api_key), or bind to 127.0.0.1"
        )


class Doorkeeper:
    """The rules of one gateway."""

    def __init__(
        self, api_key: str | None, allowed_hosts: Collection[str] = (), allowed_origins: Collection[str] = ()
    ) -> None:
        self._key = sha256(api_key.encode()).digest() if api_key else None
        self._hosts = {host_of(h) for h in allowed_hosts}
        self._origins = {o.strip().rstrip("/").lower() for o in allowed_origins}

    def origin_allowed(self, origin: str) -> bool:
        """Whether pages of this origin may call us."""
        return origin.strip().rstrip("/").lower() in self._origins

    def check(self, path: str, headers: Headers) -> AccessDenied | None:
        """Why this request may not pass, or None."""
        if self._key is not None:
            return None if path in OPEN_PATHS or self._has_key(headers) else self._unauthorised(headers)
        host = headers.get("host")
        if host is None or not (is_loopback(host_of(host)) or host_of(host) in self._hosts):
            return AccessDenied(
                "this host name is not served; call 127.0.0.1, or name the host in server.allowed_hosts",
                code="misdirected_host",
                param="host",
                status=421,
            )
        origin = headers.get("origin")
        if origin is not None and not self.origin_allowed(origin):
            return AccessDenied(
                "pages of this origin may not call the gateway; name it in server.allowed_origins, or set a key",
                code="origin_not_allowed",
                param="origin",
                status=403,
            )
        return None

    def _has_key(self, headers: Headers) -> bool:
        scheme, _, token = (headers.get("authorization") or "").partition(" ")
        given = [token.strip()] if scheme.lower() == "bearer" else []
        given.append(headers.get("x-api-key") or "")
        expected = self._key or b""
        matches = [hmac.compare_digest(sha256(g.encode()).digest(), expected) for g in given if g]
        return any(matches)

    @staticmethod
    def _unauthorised(headers: Headers) -> AccessDenied:
        had = "authorization" in headers or "x-api-key" in headers
        return AccessDenied(
            "the key is not the gateway's; send the one that server.api_key (DRAGOMAN_API_KEY) holds"
            if had
            else "a key is needed: Authorization: Bearer KEY, or x-api-key: KEY",
            code="invalid_api_key",
            status=401,
        )
