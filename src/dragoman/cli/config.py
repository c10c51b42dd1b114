"""`dragoman config`: checks the configuration, shows the values that hold with their places, renews the seal key.

Keys are never shown.

Exit codes of `check`: 0 nothing is wrong; 1 something is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from dragoman.config import Problem, Settings, examine, load
from dragoman.config.settings import MASK
from dragoman.errors import ConfigError

app = typer.Typer(no_args_is_help=True)
_File = Annotated[str | None, typer.Option("--config", help="The configuration file.")]
_Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def check(config: _File = None, as_json: _Json = False) -> None:
    """Check file, environment and keys; name each problem with its place and the fix. Calls nobody."""
    settings, problems = examine(config)
    if as_json:
        typer.echo(json.dumps(_report(settings, problems), indent=2, ensure_ascii=False))
    else:
        for problem in problems:
            typer.echo(f"{'error' if problem.fatal else 'warning'}: {problem}")
        if settings is not None and not problems:
            enabled = ", ".join(settings.enabled_providers())
            typer.echo(f"{settings.file or 'no file'}: nothing is wrong; providers with a key: {enabled}")
    raise typer.Exit(1 if problems else 0)


def _report(settings: Settings | None, problems: tuple[Problem, ...]) -> dict[str, Any]:
    return {
        "ok": not problems,
        "file": settings.file if settings else "",
        "providers": list(settings.enabled_providers()) if settings else [],
        "problems": [msgspec.structs.asdict(problem) for problem in problems],
    }


@app.command()
def show(config: _File = None, as_json: _Json = False) -> None:
    """Show every setting that holds and where it came from. Keys and URLs with passwords are hidden."""
    settings = load(config)
    rows = list(effective(settings))
    if as_json:
        typer.echo(json.dumps([{"key": k, "value": v, "from": p} for k, v, p in rows], indent=2, ensure_ascii=False))
        return
    width = max(len(key) for key, _, _ in rows)
    for key, value, place in rows:
        typer.echo(f"{key:<{width}} = {json.dumps(value, ensure_ascii=False)}  # {place}")


@app.command()
def rotate(config: _File = None) -> None:
    """Make a new seal key in the data folder. What the old one sealed opens for 90 days more."""
    from dragoman.gateway.box import FILE, rotate

    settings = load(config)
    if settings.seal.keys:
        raise ConfigError(
            "the seal keys stand in [seal] keys (or DRAGOMAN_SEAL_KEYS); put a new one before them there: the first "
            "seals, all open"
        )
    rotate(Path(settings.home), int(time.time()))
    typer.echo(f"{Path(settings.home) / FILE}: a new key seals from the gateway's next start on")


_GROUPS = ("server", "timeouts", "retry", "seal", "vault", "sessions", "search", "media", "trace", "stores")


def effective(settings: Settings) -> Iterator[tuple[str, Any, str]]:
    """(dotted setting, value, place) for everything that holds; secrets are masked."""
    for group in _GROUPS:
        yield from _fields(settings, getattr(settings, group), group)
    yield ("default_model", settings.default_model, _place(settings, "default_model"))
    yield ("home", settings.home, _place(settings, "home"))
    for name, target in settings.aliases.items():
        yield (f"aliases.{name}", target, _place(settings, f"aliases.{name}"))
    known = settings.catalogue()
    for name in dict.fromkeys((*settings.enabled_providers(), *settings.providers)):
        row = known.providers.get(name)
        if row is None:
            continue
        key = settings.accounts[name].key if name in settings.accounts else None
        holds = {
            "base_url": row.base_url,
            "urls": row.urls,
            "api_key": MASK if key else None,
            "auth": row.auth,
            "wire": row.wire,
            "profile": row.profile_name,
            "headers": dict.fromkeys(row.headers, MASK),
            "native": row.native,
            "thinking_default": row.thinking_default or row.profile.thinking_default,
            "foreign_reasoning": row.foreign_reasoning,
            "limits": row.limits,
            "currency": row.currency,
        }
        for field, value in holds.items():
            shown = msgspec.to_builtins(value)
            yield (f"providers.{name}.{field}", shown, _place(settings, f"providers.{name}.{field}"))


def _fields(settings: Settings, group: msgspec.Struct, name: str) -> Iterator[tuple[str, Any, str]]:
    secret: frozenset[str] = getattr(group, "SECRET", frozenset())
    for field in group.__struct_fields__:
        value = getattr(group, field)
        if field in secret:
            value = MASK if value else None
        yield (f"{name}.{field}", msgspec.to_builtins(value), _place(settings, f"{name}.{field}"))


def _place(settings: Settings, key: str) -> str:
    return settings.provenance.get(key, "default")
