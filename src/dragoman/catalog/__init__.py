"""Facts as data: who serves which models, how to reach them, what they can do and what they cost."""

from __future__ import annotations

from dragoman.catalog.loader import Catalogue, load
from dragoman.catalog.resolve import Resolved, near_names, resolve
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
from dragoman.catalog.urls import endpoint_url, host_matches

__all__ = [
    "Catalogue",
    "KeyFamily",
    "Limits",
    "ModelDefaults",
    "ModelRow",
    "OffPeak",
    "PriceRow",
    "PriceTier",
    "Prices",
    "ProviderRow",
    "Resolved",
    "endpoint_url",
    "host_matches",
    "load",
    "near_names",
    "resolve",
]
