"""From sources to settings: types, near names for unknown keys, references to the environment, providers.

`load` is what everybody calls; it raises one ConfigError that lists everything that is fatal. `examine` gives all
problems without raising, for `config check`. Each problem names file, line, key and the remedy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from dragoman import catalog
from dragoman.catalog import Document, Finding, near_names, read_document
from dragoman.config.check import judge
from dragoman.config.providers import build_accounts, build_rows
from dragoman.config.settings import (
    MediaSettings,
    Problem,
    ProviderSettings,
    Retry,
    Seal,
    Search,
    Server,
    Sessions,
    Settings,
    Stores,
    Timeouts,
    Trace,
    Vault,
)
from dragoman.config.sources import Sources, data_folder, gather, user_config_folder
from dragoman.errors import ConfigError

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": Server,
    "timeouts": Timeouts,
    "retry": Retry,
    "seal": Seal,
    "vault": Vault,
    "sessions": Sessions,
    "search": Search,
    "media": MediaSettings,
    "trace": Trace,
    "stores": Stores,
}
_TOP = (*SECTIONS, "providers", "aliases", "default_model", "home")
_REFERENCE = "env:"
_NEEDED_REFERENCES = ("server", "seal", "stores")
"""Sections whose references must resolve: an open server or an unsealed store would be worse than none."""


def load(
    path: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """The settings. path: the file, else the usual search. flags: dotted setting -> value, None is not given.

    Raises ConfigError for anything fatal; what is not fatal stands in `Settings.problems`.
    """
    settings, problems = examine(path, env, flags)
    fatal = [problem for problem in problems if problem.fatal]
    if fatal or settings is None:
        raise ConfigError("\n".join(str(problem) for problem in fatal))
    return settings


def examine(
    path: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> tuple[Settings | None, tuple[Problem, ...]]:
    """Settings as far as they can be made, and everything that is wrong. Settings are None for an unreadable file."""
    world = os.environ if env is None else env
    try:
        sources = gather(path, world, flags or {})
    except ConfigError as error:
        return None, (Problem("", error.message),)
    reader = _Reader(sources, world)
    settings = reader.settings()
    problems = (*reader.problems, *judge(settings, sources))
    return msgspec.structs.replace(settings, problems=problems), problems


class _Reader:
    """Turns one set of sources into settings, collecting problems on the way."""

    def __init__(self, sources: Sources, env: Mapping[str, str]) -> None:
        self.sources = sources
        self.env = env
        self.problems: list[Problem] = list(sources.problems)

    def settings(self) -> Settings:
        """All sections."""
        values = self.sources.values
        for key in values:
            if key not in _TOP:
                self._unknown((key,), _TOP)
        sections = {name: self._section(name, struct) for name, struct in SECTIONS.items()}
        home = self._home()
        documents = self._documents(home)
        providers = self._providers()
        rows = build_rows(catalog.load(documents=documents), providers, self.env, self.sources, self.problems)
        known = catalog.load(rows, documents=documents)
        self.problems += [_problem_of(finding) for finding in known.problems]
        accounts = build_accounts(known, providers, self.env, self.sources)
        return Settings(
            **sections,
            providers=providers,
            aliases=self._aliases(),
            default_model=self._text("default_model"),
            home=str(home),
            file=self.sources.file,
            provenance=dict(self.sources.places),
            accounts=accounts,
            known=known,
        )

    def _table(self, name: str) -> dict[str, Any]:
        value = self.sources.values.get(name, {})
        if isinstance(value, dict):
            return value
        self._problem((name,), f"{name} must be a table", f"write [{name}] and its keys below")
        return {}

    def _section(self, name: str, struct: type[msgspec.Struct]) -> Any:
        return self._struct(struct, self._table(name), (name,))

    def _struct(self, struct: type[msgspec.Struct], table: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        hints = get_type_hints(struct, include_extras=True)
        fields: dict[str, Any] = {}
        for key, value in table.items():
            here = (*path, key)
            if key not in struct.__struct_fields__:
                self._unknown(here, struct.__struct_fields__)
                continue
            try:
                resolved = self._resolved(value, here)
                fields[key] = msgspec.convert(_shaped(resolved, hints[key]), hints[key], strict=False)
            except msgspec.ValidationError as error:
                shown = "" if key in getattr(struct, "SECRET", ()) else f" ({value!r})"
                self._problem(here, f"{_plain(error)}{shown}", f"see {key} in docs/configuration.md")
        return struct(**fields)

    def _resolved(self, value: Any, path: tuple[str, ...]) -> Any:
        """`env:NAME` replaced by what the environment holds; None where it holds nothing."""
        if isinstance(value, str) and value.startswith(_REFERENCE):
            name = value.removeprefix(_REFERENCE).strip()
            found = self.env.get(name)
            if not found:
                needed = path[0] in _NEEDED_REFERENCES
                self._problem(path, f"the environment has no {name}", f"set {name}, or write the value", fatal=needed)
                return [] if path == ("seal", "keys") else None
            return found
        if isinstance(value, list):
            return [item for item in (self._resolved(item, path) for item in value) if item is not None]
        if isinstance(value, dict):
            inner = {key: self._resolved(item, (*path, key)) for key, item in value.items()}
            return {key: item for key, item in inner.items() if item is not None}
        return value

    def _providers(self) -> dict[str, ProviderSettings]:
        out: dict[str, ProviderSettings] = {}
        for name, table in self._table("providers").items():
            path = ("providers", name)
            if not isinstance(table, dict):
                self._problem(path, "a provider must be a table", f"write [providers.{name}] and its keys below")
                continue
            out[name] = self._struct(ProviderSettings, table, path)
        return out

    def _aliases(self) -> dict[str, str]:
        out: dict[str, str] = {}
        for name, target in self._table("aliases").items():
            if isinstance(target, str) and target.strip() and name.strip():
                out[name] = target.strip()
            else:
                self._problem(("aliases", name), "an alias names a model", f'write "{name}" = "provider:model"')
        return out

    def _text(self, key: str) -> str | None:
        value = self.sources.values.get(key)
        if value is None or isinstance(value, str):
            return value or None
        self._problem((key,), f"{key} must be a text", f'write {key} = "..."')
        return None

    def _home(self) -> Path:
        """The data folder; `~` is the person's own folder there, as in a shell."""
        said = self._text("home")
        return Path(said).expanduser() if said else data_folder(self.env)

    def _documents(self, home: Path) -> list[Document]:
        """The person's own facts: `models.toml` in the configuration folder, the data folder, by the file."""
        folders = {user_config_folder(self.env): True, home: True}
        if self.sources.file:
            folders.setdefault(Path(self.sources.file).resolve().parent, self.sources.chosen)
        documents = []
        for folder, trusted in folders.items():
            file = folder / "models.toml"
            if not file.is_file():
                continue
            try:
                document = read_document(file)
            except ConfigError as error:
                self.problems.append(Problem("", error.message, "mend the file", str(file), False))
                continue
            documents.append(document if trusted else self._models_only(document))
        return documents

    def _models_only(self, document: Document) -> Document:
        """What a file that merely lies in the current folder may say: facts of models, never who is called."""
        for part in ("provider", "profile"):
            if part in document.tables:
                message = "a file that lies in the current folder may not say who is called, or how"
                fix = f"if it is yours, move it to {user_config_folder(self.env)}, or name your file with --config"
                self.problems.append(Problem(part, message, fix, document.name, False))
        return Document(document.name, {"model": document.tables.get("model", [])})

    def _unknown(self, path: tuple[str, ...], known: tuple[str, ...]) -> None:
        near = near_names(path[-1], known)
        fix = f"did you mean {near[0]!r}?" if near else f"the keys here are {', '.join(known)}"
        self._problem(path, "there is no such setting", fix)

    def _problem(self, path: tuple[str, ...], message: str, fix: str, *, fatal: bool = True) -> None:
        self.problems.append(Problem(".".join(path), message, fix, self.sources.place(path), fatal))


def _problem_of(finding: Finding) -> Problem:
    """A record that was skipped; the others still hold, so it stops nothing."""
    key = ": ".join(part for part in (finding.record, finding.field) if part)
    return Problem(key, finding.message, finding.fix, finding.file, False)


def _shaped(value: Any, hint: Any) -> Any:
    """A comma-separated text where a list is wanted: the environment and flags have no lists."""
    if not isinstance(value, str):
        return value
    wants = [hint, *get_args(hint)]
    if any(get_origin(want) is tuple for want in wants):
        return [part.strip() for part in value.split(",") if part.strip()]
    if value.lower() in ("false", "off") and any(False in get_args(want) for want in wants):
        return False
    return value


def _plain(error: msgspec.ValidationError) -> str:
    """msgspec's words without its paths and type notation."""
    return str(error).replace("`", "").replace(" - at $", "")
