"""The modules of a wire by its name: `NAME_rules` reads a request, `NAME_stream` writes the answer.

A vendor serves `responses` once its file sets `Vendor.responses`, to whatever those modules want to know of it.

A rules module has `read(body, vendor, card, account) -> Ask`, which raises `Rejected`. A stream module has
`stream(ask, turn, spent, answer_id, created, vendor) -> list[Step]`, `whole(...) -> bytes` with the same arguments,
`error(vendor) -> bytes` (the record of an error in mid-stream), `words(vendor)` (the vendor's words for an end that a
fault asks for), `sign(turn, vendor) -> str | None` (the mark of the turn's reasoning, where the wire has one) and
`PREFIX` (how answer ids begin). Two hooks are optional: in the rules `extra(method, path, raw, vendor, account)`, which
serves further paths of the wire as (status, body) or gives None, and in the stream
`keep(ask, turn, answer_id, body, account)`.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from dragoman.simulator.vendor import WireName


@cache
def rules(wire: WireName) -> Any:
    """The module that reads requests."""
    return importlib.import_module(f"dragoman.simulator.{wire}_rules")


@cache
def speech(wire: WireName) -> Any:
    """The module that writes answers."""
    return importlib.import_module(f"dragoman.simulator.{wire}_stream")
