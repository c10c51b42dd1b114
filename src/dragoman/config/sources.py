"""Where settings come from: the file, the environment, flags; each value with its place.

In: a path, an environment, flags. Out: one nested table with the winning values, and for every dotted setting the place
it came from. Order: flag > environment > file > default. Knows section names only as keys; judges no value.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dragoman.catalog.loader import provider_names
from dragoman.config.lines import Lines, key_lines, line_of
from dragoman.config.settings import Problem
from dragoman.errors import ConfigError

PREFIX = "DRAGOMAN_"
FILE_NAME = "dragoman.toml"
SHORT: dict[str, tuple[str, ...]] = {
    "API_KEY": ("server", "api_key"),
    "MODEL": ("default_model",),
    "DEFAULT_MODEL": ("default_model",),
    "HOME": ("home",),
    "SEAL_KEYS": ("seal", "keys"),
}
"""Environment variables with a name of their own, without the prefix."""

_PROJECT_FORBIDDEN = (
    ("home",),
    ("server", "host"),
    ("server", "api_key"),
    ("server", "allowed_hosts"),
    ("server", "allowed_origins"),
    ("seal",),
    ("stores",),
    ("search", "url"),
    ("search", "file"),
    ("providers", "*", "api_key"),
    ("providers", "*", "base_url"),
    ("providers", "*", "urls"),
    ("providers", "*", "headers"),
    ("providers", "*", "auth"),
)
"""What a file that merely lies in the current folder may not set: keys, hosts and commands."""


class Sources(msgspec.Struct):
    """values: the winning values, nested. places: dotted setting -> place. file: what was read, "" for none.

    chosen: whether the person named that file, or it lies in their own folder.
    """

    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    problems: list[Problem] = []
    file: str = ""
    chosen: bool = True

    def place(self, path: tuple[str, ...]) -> str:
        """Where the value at `path`, or the nearest setting that holds it, came from."""
        for end in range(len(path), 0, -1):
            place = self.places.get(".".join(path[:end]))
            if place:
                return place
        return self.file

    def add(self, path: tuple[str, ...], value: object, place: str) -> None:
        """Sets one value over whatever was there."""
        table = self.values
        for part in path[:-1]:
            inner = table.get(part)
            if not isinstance(inner, dict):
                inner = table[part] = {}
            table = inner
        table[path[-1]] = value
        self._placed(".".join(path), value, place)

    def _placed(self, key: str, value: object, place: str) -> None:
        """Each setting inside a table has the table's place, and what the table replaced has none."""
        self.places = {name: was for name, was in self.places.items() if not name.startswith(f"{key}.")}
        self.places[key] = place
        if isinstance(value, dict):
            for name, inner in value.items():
                self._placed(f"{key}.{name}", inner, place)


def user_config_folder(env: Mapping[str, str]) -> Path:
    """The person's own configuration folder on this system."""
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    if sys.platform == "win32":
        return Path(env.get("APPDATA") or home / "AppData" / "Roaming") / "dragoman"
    return Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "dragoman"


def data_folder(env: Mapping[str, str]) -> Path:
    """Where data lies when `DRAGOMAN_HOME` says nothing."""
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local") / "dragoman"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "dragoman"
    return Path(env.get("XDG_DATA_HOME") or home / ".local" / "share") / "dragoman"


def find_file(path: str | os.PathLike[str] | None, env: Mapping[str, str]) -> tuple[Path | None, bool]:
    """The file to read, and whether the person chose it: a file of the current folder was only found there.

    Raises ConfigError for a file that was named and is not there.
    """
    for named, by in ((path, "--config"), (env.get(PREFIX + "CONFIG"), PREFIX + "CONFIG")):
        if named:
            file = Path(named).expanduser()
            if not file.is_file():
                raise ConfigError(f"{by} names {file}, which is no file; correct the path, or leave it out")
            return file, True
    here = Path(FILE_NAME)
    own = user_config_folder(env) / FILE_NAME
    if here.is_file():
        return here, own.is_file() and here.resolve() == own.resolve()
    return (own, True) if own.is_file() else (None, True)


def gather(
    path: str | os.PathLike[str] | None,
    env: Mapping[str, str],
    flags: Mapping[str, object],
) -> Sources:
    """All that was set. Raises ConfigError for a file that cannot be read at all."""
    found = Sources(values={}, places={}, problems=[])
    file, chosen = find_file(path, env)
    if file is not None:
        _read_file(file, chosen, found)
    _read_env(env, found)
    for key, value in flags.items():
        if value is not None:
            found.add(tuple(key.split(".")), value, f"flag --{key.rpartition('.')[2].replace('_', '-')}")
    return found


def _read_file(file: Path, chosen: bool, found: Sources) -> None:
    text = ""
    try:
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        # tomllib names no line for what is wrong at the very end.
        where = f"{file}:{line[1] if line else max(len(text.splitlines()), 1)}"
        raise ConfigError(f"{where}: this is not TOML: {error}; fix: mend the line, strings need quotes") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}; fix: make it a readable UTF-8 file") from None
    found.file, found.chosen = str(file), chosen
    places = _Places(str(file), key_lines(text), provider_names(), [])
    _walk(table, (), (), places, found)
    if not chosen:
        _refuse_foreign(places, found)


class _Places(msgspec.Struct):
    """What turns a key of the file into its place and its one name."""

    file: str
    lines: Lines
    names: dict[str, str]
    seen: list[tuple[tuple[str, ...], str]]

    def of(self, written: tuple[str, ...]) -> str:
        return f"{self.file}:{line_of(self.lines, written) or 1}"


def _walk(
    table: Mapping[str, Any], path: tuple[str, ...], written: tuple[str, ...], places: _Places, found: Sources
) -> None:
    """Adds every value of `table`. written: the keys as the file has them; path: with the providers' own ids."""
    seen: set[str] = set()
    for key, value in table.items():
        name = places.names.get(key.casefold(), key) if path == ("providers",) else key
        here, there = (*path, name), (*written, key)
        if name in seen:
            found.problems.append(
                Problem(
                    ".".join(there),
                    f"{name!r} is set twice, under two of its names",
                    "keep one table",
                    places.of(there),
                )
            )
            continue
        seen.add(name)
        places.seen.append((here, places.of(there)))
        if isinstance(value, dict) and value:
            found.places.setdefault(".".join(here), places.of(there))
            _walk(value, here, there, places, found)
        else:
            found.add(here, value, places.of(there))


def _refuse_foreign(places: _Places, found: Sources) -> None:
    for path, place in places.seen:
        if any(len(path) == len(rule) and _matches(path, rule) for rule in _PROJECT_FORBIDDEN):
            found.problems.append(
                Problem(
                    ".".join(path),
                    "a file that lies in the current folder may not set keys, hosts or commands",
                    f"if the file is yours, name it: --config {places.file} (or DRAGOMAN_CONFIG)",
                    place,
                )
            )


def _matches(path: tuple[str, ...], rule: tuple[str, ...]) -> bool:
    return all(part in ("*", name) for name, part in zip(path, rule, strict=True))


def _read_env(env: Mapping[str, str], found: Sources) -> None:
    # A variable with a name of its own comes first, so that the full path, which is more exact, wins over it.
    names = sorted((name for name in env if name.startswith(PREFIX)), key=lambda name: ("__" in name, name))
    for name in names:
        value, rest = env[name], name.removeprefix(PREFIX)
        if not value or rest == "CONFIG":
            continue
        if "__" in rest:
            path = tuple(part.lower() for part in rest.split("__") if part)
            found.add(_known_names(path, found), _listed(value), name)
        elif rest in SHORT:
            found.add(SHORT[rest], _listed(value) if rest == "SEAL_KEYS" else value, name)
        else:
            found.problems.append(
                Problem("", f"{name} is no setting", f"settings are {PREFIX}SECTION__KEY; unset it", name, fatal=False)
            )


def _known_names(path: tuple[str, ...], found: Sources) -> tuple[str, ...]:
    """The setting that a variable's path means.

    Variable names hold no dash: `PROVIDERS__MY_SERVER` is `my-server` where the file has such a table.
    """
    if len(path) >= 2 and path[0] == "providers" and path[1] in provider_names():
        return (path[0], provider_names()[path[1]], *path[2:])
    if len(path) >= 2 and path[0] in ("providers", "aliases"):
        table = found.values.get(path[0], {})
        same = [name for name in table if name.lower().replace("-", "_") == path[1]]
        if same:
            return (path[0], same[0], *path[2:])
    return path


def _listed(value: str) -> object:
    """JSON for tables and lists; anything else stays the text that it is."""
    if value[:1] in "[{":
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value
