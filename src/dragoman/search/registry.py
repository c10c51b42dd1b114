"""The engines by name. A new engine is one module with `make`, perhaps `check`, and one line here."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from dragoman.errors import ConfigError
from dragoman.search.engine import EngineOptions, EngineProblem, SearchEngine

ENGINES: dict[str, str] = {
    "searxng": "dragoman.search.searxng",
    "fixture": "dragoman.search.fixture",
}
"""Name in `[search] engine` -> module."""


def _module(name: str) -> ModuleType:
    try:
        return import_module(ENGINES[name])
    except KeyError:
        raise ConfigError(
            f"there is no search engine {name!r}; set [search] engine to {' or '.join(ENGINES)}", param="search.engine"
        ) from None


def make_engine(name: str, options: EngineOptions) -> SearchEngine:
    """The engine. Opens nothing yet. Raises ConfigError for an unknown name, and for options that cannot work."""
    module = _module(name)
    for problem in check_engine(name, options):
        raise ConfigError(f"{problem.message}; {problem.fix}", param=f"search.{problem.key}")
    made: SearchEngine = module.make(options)
    return made


def check_engine(name: str, options: EngineOptions) -> tuple[EngineProblem, ...]:
    """What is wrong with an engine's settings. Calls nobody; looks whether a named file is there."""
    if name not in ENGINES:
        return (EngineProblem("engine", f"there is no search engine {name!r}", f"use {' or '.join(ENGINES)}"),)
    check = getattr(_module(name), "check", None)
    return tuple(check(options)) if check is not None else ()
