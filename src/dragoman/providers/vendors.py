"""What vendors do that data cannot say, by the name of the profile that was resolved for the provider.

So a provider that a person made, on a vendor's host or with that vendor's profile, behaves like the vendor. A profile
that is not listed behaves as the protocol says. A new vendor with behaviour is one file with a subclass of `Vendor`,
and one line in the table below.
"""

from __future__ import annotations

from dragoman.providers.deepseek import DeepSeek
from dragoman.providers.gemini import Gemini
from dragoman.providers.minimax import MiniMax
from dragoman.providers.moonshot import Moonshot
from dragoman.providers.openrouter import OpenRouter
from dragoman.providers.vendor import Vendor
from dragoman.providers.xiaomi import Xiaomi
from dragoman.providers.zhipu import Zhipu

_GENERIC = Vendor()
_VENDORS: dict[str, Vendor] = {
    "xiaomi": Xiaomi(),
    "minimax": MiniMax(),
    "deepseek": DeepSeek(),
    "zhipu": Zhipu(),
    "moonshot": Moonshot(),
    "openrouter": OpenRouter(),
    "gemini": Gemini(),
}


def vendor(profile: str) -> Vendor:
    """The behaviour that goes with the profile of this name."""
    return _VENDORS.get(profile, _GENERIC)
