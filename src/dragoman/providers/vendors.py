"""What vendors do that data cannot say, by provider id. A provider that is not listed behaves as the protocol says.

A new vendor with behaviour is one file with a subclass of `Vendor`, and one line in the table below.
"""

from __future__ import annotations

from dragoman.providers.vendor import Vendor
from dragoman.providers.xiaomi import Xiaomi

_GENERIC = Vendor()
_VENDORS: dict[str, Vendor] = {"xiaomi": Xiaomi()}


def vendor(provider: str) -> Vendor:
    """The behaviour of the provider with this id."""
    return _VENDORS.get(provider, _GENERIC)
