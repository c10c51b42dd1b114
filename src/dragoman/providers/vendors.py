"""What vendors do that data cannot say, by provider id. A provider that is not listed behaves as the protocol says.

A new vendor with behaviour is one file with a subclass of `Vendor`, and one line in the table below.
"""

from __future__ import annotations

from dragoman.providers.minimax import MiniMax
from dragoman.providers.vendor import Vendor
from dragoman.providers.xiaomi import Xiaomi
from dragoman.providers.zhipu import Zhipu

_GENERIC = Vendor()
_VENDORS: dict[str, Vendor] = {
    "xiaomi": Xiaomi(),
    "minimax": MiniMax(),
    "minimax-cn": MiniMax(),
    "zhipu": Zhipu(),
}


def vendor(provider: str) -> Vendor:
    """The behaviour of the provider with this id."""
    return _VENDORS.get(provider, _GENERIC)
