"""Seals: what a server hands out and wants back unchanged (encrypted reasoning, signatures of thinking).

A seal carries a text that only its vendor can read again. It holds no state, so histories outlive a restart; what
another vendor or a gateway made, or what was altered by one character, does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac


def _mark(data: bytes, owner: str) -> bytes:
    return hmac.new(f"simulator:{owner}".encode(), data, hashlib.sha256).digest()[:18]


def seal(text: str, owner: str, prefix: str = "gAAAA") -> str:
    """The text as an opaque blob of `owner`."""
    data = text.encode()
    return prefix + base64.urlsafe_b64encode(_mark(data, owner) + data).decode()


def unseal(blob: str, owner: str, prefix: str = "gAAAA") -> str | None:
    """The text in the blob; None where this owner did not make it."""
    if not blob.startswith(prefix):
        return None
    try:
        raw = base64.b64decode(blob[len(prefix) :].encode(), b"-_", validate=True)
        text = raw[18:].decode()
    except (binascii.Error, UnicodeError):
        return None
    # Compared as text: base64 has several spellings of some bytes, and only the one that was sent counts.
    return text if hmac.compare_digest(blob, seal(text, owner, prefix)) else None


def sign(text: str, owner: str) -> str:
    """A signature of the text."""
    return base64.b64encode(_mark(text.encode(), owner) + b"sim").decode()
