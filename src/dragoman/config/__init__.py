"""Settings: one file, the environment and flags, made into frozen typed values with their provenance."""

from __future__ import annotations

from dragoman.config.load import examine, load
from dragoman.config.settings import (
    Account,
    MediaSettings,
    Problem,
    ProviderSettings,
    Retry,
    Seal,
    Search,
    Server,
    Sessions,
    Settings,
    Stores,
    Timeouts,
    Trace,
    Vault,
)

__all__ = [
    "Account",
    "MediaSettings",
    "Problem",
    "ProviderSettings",
    "Retry",
    "Seal",
    "Search",
    "Server",
    "Sessions",
    "Settings",
    "Stores",
    "Timeouts",
    "Trace",
    "Vault",
    "examine",
    "load",
]
