"""Keeps fetches that a model or a web page chose on the public Internet (against server-side request forgery).

In: a URL. Out: a permission, or `Forbidden`. Scheme, credentials, port and every address are judged. A name is resolved
by `GuardedResolver` at the moment of connecting, and the very addresses that were judged are the ones connected to, so
that a name that answers differently the second time (rebinding) gains nothing. Addresses in other clothes - IPv4
inside IPv6, 6to4, NAT64, Teredo, decimal, octal, hexadecimal - are judged by what they mean.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import unicodedata
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from dragoman.search.engine import SearchError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host name."""

MAX_URL = 4096
LOW_PORTS = frozenset({80, 443})
"""Ports below 1024 that pages are served on; others belong to other protocols."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_SPECIAL = tuple(ipaddress.ip_network(net) for net in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24"))
"""Public by number, or by some Python versions' word, but services of a cloud or of a network to its own machines."""
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)")
_LOCAL = ("localhost", "local", "internal", "localdomain", "home.arpa", "lan")
_SPACE = re.compile(r"[\x00-\x20\x7f]")
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
"""The other full stops of a host name (RFC 3490, 3.1): whoever connects reads them as dots."""


class Forbidden(SearchError):
    """A fetch that is not allowed. The message does not tell what a private name resolves to."""

    word = "forbidden"


def is_public(address: str | Address) -> bool:
    """Whether an address lies on the public Internet, and so do all addresses hidden in it."""
    if isinstance(address, str):
        try:
            address = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inside(address)
        if any(not is_public(hidden) for hidden in inner):
            return False
        if inner:
            return True
        if address.is_site_local:
            return False
    if address.is_multicast or address.is_reserved or any(address in net for net in _SPECIAL):
        return False
    return address.is_global


def _inside(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """IPv4 addresses that an IPv6 address carries."""
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return []


class Guard:
    """Judges URLs and addresses. allow: `host`, `host:port` or addresses that may be fetched all the same (tests)."""

    def __init__(self, allow: Iterable[str] = (), lookup: Lookup | None = None) -> None:
        self._allow = frozenset(entry.lower() for entry in allow)
        self._lookup = lookup or _lookup

    def check_url(self, url: str) -> tuple[str, int]:
        """Host and port of a URL that may be fetched as far as its text tells. Raises Forbidden."""
        if len(url) > MAX_URL or _SPACE.search(url):
            raise Forbidden("the address is too long, or holds spaces")
        try:
            parts = urlsplit(url)
            # Hosts are compared as they will be looked up, whatever digits and dots they are written with.
            name = unicodedata.normalize("NFKC", parts.hostname or "").translate(_DOTS)
            host, port = name.rstrip(".").lower(), parts.port
        except ValueError:
            raise Forbidden("the address is no URL") from None
        if parts.scheme not in ("http", "https"):
            raise Forbidden("only http and https pages can be read")
        if "@" in parts.netloc or "\\" in url:
            raise Forbidden("an address with a user name in it is not read")
        if not host:
            raise Forbidden("the address names no host")
        port = port or (443 if parts.scheme == "https" else 80)
        if self._is_allowed(host, port):
            return host, port
        if port < 1024 and port not in LOW_PORTS:
            raise Forbidden(f"pages are not read from port {port}")
        self._check_host(host)
        return host, port

    def _check_host(self, host: str) -> None:
        literal = _literal(host)
        if literal is not None:
            if not is_public(literal):
                raise Forbidden("the address is not on the public Internet")
            return
        last = host.rpartition(".")[2]
        # A host whose last label is a number is an address in disguise (WHATWG URL, "ends in a number").
        if _NUMBER.fullmatch(last):
            raise Forbidden("the address is not on the public Internet")
        if "." not in host or host in _LOCAL or host.endswith(tuple("." + name for name in _LOCAL)):
            raise Forbidden("the name is not one of the public Internet")

    def _is_allowed(self, host: str, port: int) -> bool:
        return bool(self._allow) and not self._allow.isdisjoint({host, f"{host}:{port}"})

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses to connect to. Raises Forbidden when one of them is not public, OSError for no answer."""
        found = await self._lookup(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        if not self._is_allowed(host, port):
            for address in found:
                if not self._is_allowed(address, port) and not is_public(address):
                    raise Forbidden("the name leads to an address that is not on the public Internet")
        return found


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


async def _lookup(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


class GuardedResolver(AbstractResolver):
    """What the connector asks when it connects: it gets only addresses that the guard let pass."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The judged addresses. Raises Forbidden."""
        found = []
        for address in await self._guard.resolve(host, port):
            six = ":" in address
            found.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if six else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return found

    async def close(self) -> None:
        """Holds nothing."""
