"""Reading a client's JSON with care: every fault becomes `InvalidRequest` with the path of the field at fault.

In: raw JSON slices and the path at which they stand. Out: typed values. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from dragoman.errors import InvalidRequest

MAX_DEPTH = 64
"""Deepest nesting of a body that is taken."""

T = TypeVar("T")

NOTHING = Raw(b"")
"""Stands in typed structs for a raw field that is absent (msgspec has no optional Raw)."""

_BRACKETS = bytes.maketrans(b"[{]}", b"(())")
_OTHERS = bytes(c for c in range(256) if c not in b'[]{}"')
_WHERE = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`")
_encode = msgspec.json.Encoder().encode


def too_deep(body: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than `MAX_DEPTH`. Linear for ordinary bodies, never recursive."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _OTHERS)
    rest = b"".join(bare.split(b'"')[::2]).translate(_BRACKETS)
    for _ in range(MAX_DEPTH):
        shorter = rest.replace(b"()", b"")
        if len(shorter) == len(rest):
            break
        rest = shorter
    # What is left over-nests, unless the brackets do not pair at all: then the parser says it better.
    return b"()" in rest


def invalid(param: str, message: str, code: str = "invalid_request") -> InvalidRequest:
    """A refusal that names the field and says what would be right."""
    return InvalidRequest(message, code=code, param=param)


def read(raw: Raw | bytes, kind: type[T], path: str) -> T:
    """`raw` as `kind`. path: where it stands, for the error."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refusal(error, path) from None


def refusal(error: Exception, path: str) -> InvalidRequest:
    """The InvalidRequest that tells of a parser's error."""
    text = str(error)
    found = _WHERE.search(text)
    where = path + (found["path"] if found else "")
    if found:
        text = text[: found.start()]
    missing = _MISSING.search(text)
    if missing:
        where = f"{where}.{missing['field']}" if where else missing["field"]
        return invalid(where, f"{where} is missing; add it")
    where = where.lstrip(".")
    return invalid(where, f"{where or 'the body'}: {text[:1].lower()}{text[1:]}; correct its type")


def read_body(body: bytes) -> dict[str, Raw]:
    """The top-level fields of a request body."""
    if too_deep(body):
        raise InvalidRequest(f"the body nests deeper than {MAX_DEPTH} levels; flatten it", code="invalid_json")
    try:
        body.decode()
        return msgspec.json.decode(body, type=dict[str, Raw])
    except msgspec.ValidationError:
        raise InvalidRequest('the body must be a JSON object such as {"model":...}', code="invalid_json") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}; send UTF-8 JSON", code="invalid_json") from None


def is_null(raw: Raw | None) -> bool:
    """Whether a field is absent or null: the same thing for every field of this protocol."""
    return raw is None or bytes(raw) in (b"", b"null")


def is_string(raw: Raw) -> bool:
    """Whether the slice is a JSON string."""
    return bytes(raw).startswith(b'"')


def is_object(raw: Raw) -> bool:
    """Whether the slice is a JSON object."""
    return bytes(raw).startswith(b"{")


def is_list(raw: Raw) -> bool:
    """Whether the slice is a JSON array."""
    return bytes(raw).startswith(b"[")


def dump(value: Any) -> Raw:
    """`value` as a JSON slice."""
    return Raw(_encode(value))


def text_of(raw: Raw) -> str:
    """A JSON slice as text, as the client wrote it."""
    return bytes(raw).decode()
