"""Facts as data: who serves which models, how to reach them, what they can do and what they cost.

For programs: `models(provider)` lists rows, `model(name)` is one, `price(name, when)` its prices at a moment;
`load(documents=[read_document(path)])` is the catalogue with a file of your own laid over it.
"""

from __future__ import annotations

from dragoman.catalog.facts import Quote, model, models, price, reasoning_levels
from dragoman.catalog.loader import Catalogue, load
from dragoman.catalog.resolve import Resolved, resolve
from dragoman.catalog.rows import (
    Finding,
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
from dragoman.catalog.tables import Document, near_names, read_document
from dragoman.catalog.urls import endpoint_url, host_matches

__all__ = [
    "Catalogue",
    "Document",
    "Finding",
    "KeyFamily",
    "Limits",
    "ModelDefaults",
    "ModelRow",
    "OffPeak",
    "PriceRow",
    "PriceTier",
    "Prices",
    "ProviderRow",
    "Quote",
    "Resolved",
    "endpoint_url",
    "host_matches",
    "load",
    "model",
    "models",
    "near_names",
    "price",
    "read_document",
    "reasoning_levels",
    "resolve",
]
