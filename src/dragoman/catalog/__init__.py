"""Facts as data: who serves which models, how to reach them, what they can do and what they cost."""

from __future__ import annotations

from dragoman.catalog.rows import (
    KeyFamily,
    Limits,
    ModelDefaults,
    ModelRow,
    OffPeak,
    PriceRow,
    Prices,
    PriceTier,
    ProviderRow,
)

__all__ = [
    "KeyFamily",
    "Limits",
    "ModelDefaults",
    "ModelRow",
    "OffPeak",
    "PriceRow",
    "PriceTier",
    "Prices",
    "ProviderRow",
]
