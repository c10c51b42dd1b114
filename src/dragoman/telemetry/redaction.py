"""Masks secrets in text that a person, a log or a client will see.

Two nets: every secret that is configured, wherever it stands, and whatever has the look of a key. In: text. Out: text
in which each of them is `[redacted]`. Pure; made for error texts and logs, not for the hot road.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "[redacted]"
_SHORTEST = 4
"""Shorter secrets would mask ordinary words."""

_HEADER = re.compile(
    r"""(?ix) (?P<head> ["']? (?:proxy-)?authorization ["']? \s* [:=] \s* ["']? (?:(?:bearer|basic|token)\s+)?
    | ["']? (?:x-goog-api-key|x-api-key|api[-_]key|apikey|access[-_]token|auth[-_]token) ["']? \s* [:=] \s* ["']?
    | \bbearer\s+ )
    (?P<secret> [^\s"',;&)}\]]{4,} )"""
)
_KEY_LIKE = re.compile(
    r"""(?x) (?<![A-Za-z0-9_-]) (?:
      (?: sk | tp | ttp | pk | rk | gsk | xai ) - [A-Za-z0-9_\-]{6,}    # vendors' keys with a prefix
    | AIza [A-Za-z0-9_\-]{20,}                                          # Google
    | [0-9a-f]{32} \. [A-Za-z0-9]{12,}                                  # id.secret
    | eyJ [A-Za-z0-9_\-]{8,} \. [A-Za-z0-9_\-]{8,} \. [A-Za-z0-9_\-]*   # JSON web token
    )"""
)
_URL_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s/:@]*:)(?P<secret>[^\s/@]+)(?=@)", re.I)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the given secrets - plain, percent-encoded or in base64 - and without what looks like a key."""
    if not text:
        return text
    for form in _forms(secrets):
        text = text.replace(form, MASK)
    text = _URL_PASSWORD.sub(lambda found: found["head"] + MASK, text)
    text = _HEADER.sub(lambda found: found["head"] + MASK, text)
    return _KEY_LIKE.sub(MASK, text)


def _forms(secrets: Iterable[str]) -> list[str]:
    """Every way a secret may be written, the longest first, so that no rest of a longer one stays."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            forms |= {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("=")}
    return sorted(forms, key=len, reverse=True)
