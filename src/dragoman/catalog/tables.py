"""Tables as TOML gives them: read with words that a person can act on, and laid over one another.

One rule for laying over: a table is laid over field by field, anything else - a list too - replaces what stood there.
So `[model.price]`, a table, changes single prices, and `[[model.price]]`, a list, states all lists anew. Pure but for
`read_document`.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from dragoman.errors import ConfigError

_Row = TypeVar("_Row")
_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "decimal": 'a decimal in quotes, as "0.30"',
    "date": "a day, as 2026-11-21",
}


class Document(msgspec.Struct, frozen=True):
    """One catalogue file. name: what findings call it. tables: `provider`, `profile`, `model`, as TOML gives them."""

    name: str
    tables: Mapping[str, Any]


def read_document(path: str | os.PathLike[str]) -> Document:
    """A file in the shape of the shipped ones. Raises ConfigError when it cannot be read at all."""
    file = Path(path)
    try:
        return Document(str(file), tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}; mend the file") from None


def near_names(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """At most `count` of `names` that look like `name`, the nearest first, letter case aside."""
    by_fold: dict[str, str] = {}
    for item in names:
        by_fold.setdefault(item.casefold(), item)
    return [by_fold[hit] for hit in difflib.get_close_matches(name.casefold(), by_fold, count, 0.5)]


def laid_over(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the fields of `table`; tables within are laid over in the same way, all else is replaced."""
    out = dict(base)
    for key, value in table.items():
        before = out.get(key)
        if key == "price" and isinstance(before, list) and isinstance(value, Mapping):
            out[key] = _changed_prices(before, value)
        elif isinstance(before, Mapping) and isinstance(value, Mapping):
            out[key] = laid_over(before, value)
        else:
            out[key] = [value] if key == "price" and isinstance(value, Mapping) else value
    return out


def _changed_prices(lists: list[Any], change: Mapping[str, Any]) -> list[Any]:
    """The newest list in that currency with single fields changed; with another `from` a new list that begins there.

    A new list takes the rest from the one that held until then. A currency that no list has inherits nothing: numbers
    of another currency would be wrong ones.
    """
    first = str(lists[0].get("currency", "USD")) if lists else "USD"
    currency = change.get("currency", first)
    same = sorted((one for one in lists if one.get("currency", "USD") == currency), key=_start)
    begun = [one for one in same if "from" not in change or _start(one) <= _start(change)]
    base: Mapping[str, Any] = begun[-1] if begun else same[0] if same else {}
    made = laid_over({key: value for key, value in base.items() if key != "source"}, change)
    if same and _start(made) == _start(base):
        return [made if one is base else one for one in lists]
    return [*lists, made]


def _start(prices: Mapping[str, Any]) -> str:
    return str(prices.get("from", ""))


def written_day(value: object, field: str) -> str:
    """A day as text; TOML has days without quotes too. Raises ConfigError for what is no day."""
    text = value.isoformat() if isinstance(value, date) else value
    if isinstance(text, str):
        try:
            return date.fromisoformat(text).isoformat() if text else ""
        except ValueError:
            pass
    raise ConfigError(f"{value!r} is no day; write it as 2026-11-21", param=field)


def refuse_strangers(table: Mapping[str, Any], known: tuple[str, ...], what: str, place: str = "") -> None:
    """Raises ConfigError for the first field that `what` does not have. place: what stands before the field's name."""
    for name in table:
        if name not in known:
            near = near_names(str(name), known)
            hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(known)}"
            raise ConfigError(f"{what} has no field {name!r}; {hint}", param=f"{place}{name}")


def read_table(table: Mapping[str, Any], kind: type[_Row], *, strict: bool = True) -> _Row:
    """`table` as a `kind`. Raises ConfigError that names the field and what belongs there."""
    try:
        return msgspec.convert(table, kind, strict=strict)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        wanted = re.match(r"Expected `([a-z]+)", text)
        hint = f"; write {_WANTED[wanted[1]]}" if wanted and wanted[1] in _WANTED else ""
        if text.startswith("Invalid enum value"):
            field = re.match(r"[.]?(\w+)", path.strip("`"))
            hint = f"; write one of {', '.join(_words(get_type_hints(kind).get(field[1])))}" if field else ""
        raise ConfigError(text.replace("`", "") + hint, param=path.strip("`.") or None) from None


def _words(hint: object) -> list[str]:
    """The words that a field of this type may hold."""
    if get_origin(hint) is Literal:
        return [str(word) for word in get_args(hint)]
    return [word for part in get_args(hint) for word in _words(part)]
