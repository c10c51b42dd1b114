"""Ids: a prefix and 96 random bits. Decoders and encoders get this function injected."""

from __future__ import annotations

from os import urandom


def new_id(prefix: str = "") -> str:
    """A fresh id, `prefix` first, that no other process will make."""
    return prefix + urandom(12).hex()
