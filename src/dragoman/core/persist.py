"""Core values as JSON and back, unchanged: for threads, sessions and stores.

In: any struct of `core`. Out: bytes; and from bytes the same struct, raw slices byte for byte. Needed because msgspec
decodes no optional raw field (`Raw | None`): the bytes are read into a twin of the struct whose raw fields are never
None, and turned into the struct itself. Knows no store and no file.
"""

from __future__ import annotations

import types
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Raw

T = TypeVar("T", bound=msgspec.Struct)

_ABSENT = Raw(b"null")


def to_json(value: msgspec.Struct) -> bytes:
    """The value as JSON, without what has its default."""
    return msgspec.json.encode(value)


def from_json(data: bytes | Raw, kind: type[T]) -> T:
    """The `kind` that `data` holds. Raises msgspec.DecodeError for what is no such value."""
    return _real(msgspec.json.decode(data, type=_twin(kind)), kind)  # type: ignore[no-any-return]


@cache
def _twin(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A struct like `kind` that can be decoded."""
    config = kind.__struct_config__
    fields: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(kind):
        if _optional_raw(field.type):
            fields.append((field.name, Raw, _ABSENT))
        elif field.required:
            fields.append((field.name, _mirror(field.type), msgspec.NODEFAULT))
        else:
            fields.append((field.name, _mirror(field.type), _default(field)))
    return msgspec.defstruct(kind.__name__, fields, tag=config.tag, tag_field=config.tag_field, kw_only=True)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return msgspec.field(default=field.default)


def _optional_raw(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and Raw in get_args(kind)


def _mirror(kind: Any) -> Any:
    """The type with every struct in it replaced by its twin."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return Union[tuple(_mirror(arg) for arg in args)]  # noqa: UP007
    if origin is tuple:
        return tuple[(_mirror(args[0]), ...)]  # type: ignore[misc]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _twin(kind)
    return kind


def _structs(kind: Any) -> dict[str, type[msgspec.Struct]]:
    """The structs that a type may hold, by name."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {kind.__name__: kind}
    found: dict[str, type[msgspec.Struct]] = {}
    for arg in get_args(kind):
        found.update(_structs(arg))
    return found


def _real(value: Any, kind: Any) -> Any:
    """The value with every twin in it turned into what it stands for. Slices are copied out of the whole body."""
    if isinstance(value, Raw):
        return None if _optional_raw(kind) and bytes(value) == b"null" else value.copy()
    if isinstance(value, tuple):
        return tuple(_real(item, kind) for item in value)
    if isinstance(value, dict):
        return {key: _real(item, kind) for key, item in value.items()}
    if isinstance(value, msgspec.Struct):
        cls = _structs(kind)[type(value).__name__]
        fields = msgspec.structs.fields(cls)
        return cls(**{field.name: _real(getattr(value, field.name), field.type) for field in fields})
    return value
