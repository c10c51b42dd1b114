"""Reading untrusted JSON piece by piece, with the path of what is wrong.

In: raw JSON slices and the path where each stands. Out: typed values, or `InvalidRequest` whose `param` is the path of
the field at fault. Nothing else is ever raised, whatever the bytes are. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from dragoman.errors import InvalidRequest

T = TypeVar("T")

MAX_DEPTH = 64
"""Deepest nesting of a request body."""

_BRACKETS = bytes.maketrans(b"[]", b"{}")
_NO_BRACKETS = bytes(c for c in range(256) if c not in b"[]{}")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.S)
_AT = re.compile(r"^(.*?)(?: - at `(?:key in )?\$(.*)`)?$", re.S)
_BAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def check_depth(body: bytes) -> None:
    """Refuses a body that is nested deeper than `MAX_DEPTH`."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    rest = _STRING.sub(b"", body).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not rest:
            return
        shorter = rest.replace(b"{}", b"")
        if len(shorter) == len(rest):
            return  # not balanced: the JSON parser says so better
        rest = shorter
    if rest:
        raise InvalidRequest(f"the body is nested deeper than {MAX_DEPTH} levels; send a flatter one")


def read_object(body: bytes) -> dict[str, Raw]:
    """The fields of a whole request body."""
    check_depth(body)
    try:
        body.decode()
        return msgspec.json.decode(body, type=dict[str, Raw])
    except msgspec.ValidationError:
        raise InvalidRequest("the body must be a JSON object; send {...}") from None
    except _BAD as error:
        raise InvalidRequest(f"the body is not valid JSON ({error}); send one JSON object") from None


def read(raw: Raw, kind: type[T], path: str) -> T:
    """The value of `raw` as `kind`. Raises InvalidRequest with the path of what does not fit."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except _BAD as error:
        raise refusal(error, path) from None


def refusal(error: Exception, path: str) -> InvalidRequest:
    """The error of the JSON library, as a refusal that names the field."""
    match = _AT.match(str(error))
    text, where = (match.group(1), match.group(2) or "") if match else (str(error), "")
    missing = re.search(r"missing required field `([^`]+)`", text)
    if missing:
        where = f"{where}.{missing.group(1)}"
    param = (path + where).lstrip(".")
    return InvalidRequest(f"{param}: {text[:1].lower() + text[1:]}; correct this field and send it again", param=param)


def absent(raw: Raw | None) -> bool:
    """Whether a field is not there, or null: both mean the same in this protocol."""
    return raw is None or bytes(raw) in (b"", b"null")


def present(raw: Raw) -> Raw | None:
    """The slice, or None where it is absent. Copied, so that it does not hold the whole body in memory."""
    return None if absent(raw) else raw.copy()


def is_string(raw: Raw) -> bool:
    """Whether the slice is a JSON string."""
    return bytes(raw)[:1] == b'"'


def is_object(raw: Raw) -> bool:
    """Whether the slice is a JSON object."""
    return bytes(raw)[:1] == b"{"


def compact(value: Any) -> Raw:
    """`value` as a JSON slice."""
    return Raw(msgspec.json.encode(value))
