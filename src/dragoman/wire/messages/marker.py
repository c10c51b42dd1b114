"""Thinking signatures: whose they are.

Clients keep a `thinking` block only with a non-empty signature and send it back untouched. A sealed block carries its
seal there. Where there is neither a seal nor a vendor's signature, a label stands in: it names the turn and segment,
means nothing to any vendor and is never sent to one.
"""

from __future__ import annotations

from dragoman.core.messages import Reasoning

SEAL = "dgm1."
"""How our own sealed copies begin."""
LABEL = "dgm0."
"""How the stand-in begins: `dgm0.TURN.SEGMENT`."""


def is_ours(signature: str | None) -> bool:
    """Whether no vendor issued this."""
    return signature is not None and signature.startswith((SEAL, LABEL))


def signature_of(block: Reasoning) -> str:
    """What stands in the client's `signature`; never empty."""
    return block.seal or block.signature or f"{LABEL}{block.turn}.{block.segment}"


def read_label(signature: str) -> tuple[str, int]:
    """Turn and segment of a stand-in; ("", 0) where they cannot be read."""
    turn, _, number = signature[len(LABEL) :].rpartition(".")
    return (turn, int(number)) if number.isascii() and number.isdigit() and len(number) < 9 else ("", 0)
