"""Reading an untrusted request body, with the path of what is wrong.

In: raw JSON. Out: typed values, or `InvalidRequest` whose `param` is the path of the field at fault; nothing else is
ever raised, whatever the bytes are. Knows no protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from dragoman.errors import InvalidRequest

T = TypeVar("T")

MAX_DEPTH = 64
"""Deepest nesting that is taken."""

_encode = msgspec.json.Encoder().encode
_TO_BRACES = bytes.maketrans(b"[]", b"{}")
_NEITHER_BRACKET_NOR_QUOTE = bytes(code for code in range(256) if code not in b'"[]{}')
_WHERE = re.compile(r"^(?P<text>.*?)(?: - at `(?:key in )?\$?(?P<path>.*)`)?$", re.S)
_MISSING = re.compile(r"missing required field `([^`]+)`")
_BEGINS = {"string": b'"', "object": b"{", "list": b"[", "boolean": b"tf", "number": b"-0123456789"}
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def check_depth(body: bytes) -> None:
    """Refuses a body nested deeper than `MAX_DEPTH`: innermost pairs are taken away, a level at a time."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    rest = _brackets(body)
    for _ in range(MAX_DEPTH):
        shorter = rest.replace(b"{}", b"")
        if len(shorter) == len(rest):
            return
        rest = shorter
    if b"{}" in rest:
        raise InvalidRequest(f"the body is nested deeper than {MAX_DEPTH} levels; send a flatter one")


def _brackets(body: bytes) -> bytes:
    """The brackets that stand outside of strings, all as braces. Four passes in C: a pattern took twice as long."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.translate(_TO_BRACES, _NEITHER_BRACKET_NOR_QUOTE).split(b'"')[::2])


def read_object(body: bytes) -> dict[str, Raw]:
    """The fields of a whole request body."""
    check_depth(body)
    try:
        body.decode()
        return msgspec.json.decode(body, type=dict[str, Raw])
    except msgspec.ValidationError:
        raise InvalidRequest("the body must be a JSON object; send {...}") from None
    except _REFUSED as error:
        raise InvalidRequest(f"the body is not valid JSON ({error}); send one JSON object") from None


def read(raw: Raw, kind: type[T], path: str) -> T:
    """The value of `raw` as `kind`, or InvalidRequest with the path of what does not fit."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except _REFUSED as error:
        raise refusal(error, path) from None


def check_kinds(fields: Mapping[str, Raw], kinds: Mapping[str, str]) -> None:
    """Refuses a value of another JSON type than its field has. For fields that nobody here looks into.

    kinds: the type of each field, or two with " or " between: string, number, boolean, object, list.
    """
    for name, kind in kinds.items():
        raw = fields.get(name)
        if raw is None or absent(raw):
            continue
        if not any(bytes(memoryview(raw)[:1]) in _BEGINS[one] for one in kind.split(" or ")):
            raise InvalidRequest(f"{name}: must be of type {kind}; correct it, or leave it out", param=name)


def refusal(error: Exception, path: str) -> InvalidRequest:
    """What the JSON library found wrong, as a refusal that names the field."""
    match = _WHERE.match(str(error))
    text, where = (match["text"], match["path"] or "") if match else (str(error), "")
    missing = _MISSING.search(text)
    if missing:
        where = f"{where}.{missing[1]}"
    param = (path + where).lstrip(".")
    return InvalidRequest(f"{param}: {text[:1].lower()}{text[1:]}; correct this field and send it again", param=param)


def absent(raw: Raw | None) -> bool:
    """Whether a field is not there, or null."""
    return raw is None or bytes(raw) in (b"", b"null")


def present(raw: Raw) -> Raw | None:
    """A copy of the slice, which does not hold the body in memory; None where it is absent."""
    return None if absent(raw) else raw.copy()


def count(fields: object, name: str, faults: list[str]) -> int | None:
    """A number of tokens or calls in a decoded object. What cannot be one is unknown, and told in `faults`."""
    value = fields.get(name) if isinstance(fields, dict) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        faults.append(f"{name} is not a count")
        return None
    return value


def is_string(raw: Raw) -> bool:
    """Whether the slice is a JSON string."""
    return bytes(memoryview(raw)[:1]) == b'"'


def is_object(raw: Raw) -> bool:
    """Whether the slice is a JSON object."""
    return bytes(memoryview(raw)[:1]) == b"{"


def is_list(raw: Raw) -> bool:
    """Whether the slice is a JSON array."""
    return bytes(memoryview(raw)[:1]) == b"["


def dump(value: Any) -> Raw:
    """`value` as a JSON slice."""
    return Raw(_encode(value))
