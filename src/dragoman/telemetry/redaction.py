"""Masks secrets in text that a person, a log or a client will see.

Two nets: every secret that is configured, wherever it stands, and whatever has the look of a key. In: text. Out: text
in which each of them is `[redacted]`. Pure; made for error texts and logs, not for the hot road.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

MASK = "[redacted]"
_URL_SAFE = str.maketrans("+/", "-_")
_SHORTEST = 4
"""Shorter secrets would mask ordinary words."""

_HEADER = re.compile(
    r"""(?ix) (?P<head> ["']? (?:proxy-)?authorization ["']? \s* [:=] \s* ["']? (?:(?:bearer|basic|token)\s+)?
    | ["']? (?:x-goog-api-key|x-api-key|api[-_]key|apikey|access[-_]token|auth[-_]token) ["']? \s* [:=] \s* ["']?
    | \bbearer\s+ )
    (?! (?: bearer | basic | tokens? | auth (?:entication|orization)? ) (?: [\s"',;:.&)}\]] | $ ) )  # words of a text
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


class Redactor:
    """Masks the given secrets, in every way that they may be written, and what looks like a key. Made once, used often.

    A secret of fewer than four characters is not searched for.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = _forms(secrets)
        self._known = re.compile("|".join(map(re.escape, forms))) if forms else None

    def __call__(self, text: str) -> str:
        """`text` without secrets."""
        if not text:
            return text
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _URL_PASSWORD.sub(lambda found: found["head"] + MASK, text)
        text = _HEADER.sub(lambda found: found["head"] + MASK, text)
        return _KEY_LIKE.sub(MASK, text)

    def scrub(self, value: Any) -> Any:
        """A JSON value in which every text is without secrets."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.scrub(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.scrub(part) for part in value]
        return value


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the given secrets - plain, percent-encoded, as JSON or in base64 - and what looks like a key."""
    return Redactor(secrets)(text)


def _forms(secrets: Iterable[str]) -> list[str]:
    """Every way a secret may be written, the longest first, so that no rest of a longer one stays."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            percent = {quote(secret, safe=safe) for safe in ("", "/")}
            lower = {re.sub("%..", lambda found: found[0].lower(), form) for form in percent}
            forms |= {secret, json.dumps(secret)[1:-1], *percent, *lower, *_base64_forms(secret.encode())}
    return sorted(forms, key=len, reverse=True)


def _base64_forms(secret: bytes) -> set[str]:
    """The secret in base64, alone and behind other bytes (`user:key`): of each alignment, what the secret settles."""
    forms = {base64.b64encode(secret).decode().rstrip("=")}
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret).decode()
        settled = text[(0, 2, 3)[before] : (before + len(secret)) * 8 // 6]
        if len(settled) >= _SHORTEST * 2:
            forms.add(settled)
    return forms | {form.translate(_URL_SAFE) for form in forms}
