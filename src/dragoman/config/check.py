"""Judges settings that could be read: do they make sense together, and can anything be called at all?

In: settings and where they came from. Out: problems, each with its key, place and remedy. Calls nobody.
"""

from __future__ import annotations

import ipaddress

from dragoman.catalog import Catalogue, near_names, resolve
from dragoman.config.settings import Problem, Settings
from dragoman.config.sources import Sources
from dragoman.errors import ConfigError, ModelNotFound


def judge(settings: Settings, sources: Sources) -> tuple[Problem, ...]:
    """Everything that is wrong with these settings as a whole."""
    problems: list[Problem] = []
    _keys(settings, sources, problems)
    _hosts(settings, sources, problems)
    for name, target in settings.aliases.items():
        _alias(name, target, settings, sources, problems)
    _default_model(settings, sources, problems)
    _server(settings, sources, problems)
    _search(settings, sources, problems)
    _without_effect(settings, sources, problems)
    return tuple(problems)


def _keys(settings: Settings, sources: Sources, problems: list[Problem]) -> None:
    known = settings.catalogue()
    for name in settings.providers:
        row = known.providers.get(name)
        if row is None or name in settings.accounts:
            continue
        remedy = f"set {row.key_env[0]}, or api_key in [providers.{name}]" if row.key_env else "set api_key"
        place = sources.place(("providers", name))
        problems.append(Problem(f"providers.{name}.api_key", "the provider has no key", remedy, place, False))
    if not settings.accounts and not problems:
        names = ", ".join(row.key_env[0] for row in known.providers.values() if row.key_env)
        problems.append(Problem("", "no provider has a key", f"set one of {names}", "", False))


def _hosts(settings: Settings, sources: Sources, problems: list[Problem]) -> None:
    from dragoman.providers.urls import build_headers, check_key

    for name, account in settings.accounts.items():
        row = settings.catalogue().providers[name]
        try:
            check_key(row, account.key, row.endpoint(row.wire))
            build_headers(row, row.wire, account.key, stream=True)
        except ConfigError as error:
            path = ("providers", name, error.info.param or "api_key")
            fix = "see the provider's page in docs/providers"
            problems.append(Problem(".".join(path), error.message, fix, sources.place(path), False))


def _alias(name: str, target: str, settings: Settings, sources: Sources, problems: list[Problem]) -> None:
    known, path = settings.catalogue(), ("aliases", name)
    head, colon, model = target.partition(":")
    if not colon:
        head, colon, model = target.partition("/")
    row = known.provider(head) if colon else None
    if row is not None and model.strip():
        if row.id not in settings.accounts:
            remedy = f"set {row.key_env[0]}" if row.key_env else f"set api_key in [providers.{row.id}]"
            problems.append(
                Problem(".".join(path), f"{target!r}: {row.id} has no key", remedy, sources.place(path), False)
            )
        return
    if _bare(target, settings):
        return
    near = near_names(head, known.providers) if colon else near_names(target, [m.id for m in known.all()])
    hint = f"did you mean {near[0]!r}? " if near else ""
    problems.append(
        Problem(
            ".".join(path),
            f"{target!r} is no model that is known here",
            f"{hint}write provider:model; providers are {', '.join(known.providers)}",
            sources.place(path),
        )
    )


def _bare(target: str, settings: Settings) -> bool:
    """Whether a name without a provider leads somewhere."""
    known: Catalogue = settings.catalogue()
    try:
        resolve(target, known, enabled=tuple(known.providers))
    except ModelNotFound:
        return False
    return True


def _default_model(settings: Settings, sources: Sources, problems: list[Problem]) -> None:
    if settings.default_model is None:
        return
    try:
        resolve(
            settings.default_model,
            settings.catalogue(),
            aliases=settings.aliases,
            enabled=settings.enabled_providers(),
        )
    except ModelNotFound as error:
        place = sources.place(("default_model",))
        problems.append(Problem("default_model", error.message, "name a model as provider:model", place, False))


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _server(settings: Settings, sources: Sources, problems: list[Problem]) -> None:
    server = settings.server
    if not server.api_key and not _loopback(server.host):
        problems.append(
            Problem(
                "server.api_key",
                f"others can reach {server.host}, and no key is asked of them",
                "set DRAGOMAN_API_KEY, or [server] api_key, or bind to 127.0.0.1",
                sources.place(("server", "host")),
                False,
            )
        )


def _without_effect(settings: Settings, sources: Sources, problems: list[Problem]) -> None:
    """What can be set, and does nothing here, or stops the gateway."""

    def problem(path: tuple[str, ...], message: str, fix: str) -> None:
        problems.append(Problem(".".join(path), message, fix, sources.place(path), False))

    if settings.trace.mode != "off":
        problem(("trace", "mode"), "requests are not traced here; nothing is kept", 'set mode = "off"')
    for name, row in settings.providers.items():
        if row.limits:
            problem(("providers", name, "limits"), "calls are not held back here; the vendor does that", "leave it out")
    if settings.sessions.mode == "sql":
        problem(
            ("sessions", "mode"), "responses are stored in memory only; `serve` refuses this", 'set mode = "memory"'
        )
    for key in ("url", "redis_url"):
        if getattr(settings.stores, key):
            problem(("stores", key), "there are no shared stores here; `serve` refuses this", "leave it out")


def _search(settings: Settings, sources: Sources, problems: list[Problem]) -> None:
    search = settings.search

    def problem(key: str, message: str, fix: str, fatal: bool = False) -> None:
        problems.append(Problem(f"search.{key}", message, fix, sources.place(("search", key)), fatal))

    if search.mode == "managed" and not search.engine:
        problem("engine", "a search that we run needs an engine", 'set engine = "searxng" and its url, or mode = "off"')
    if search.engine:
        # Imported here: the engines are needed by those who search only.
        from dragoman.search.engine import EngineOptions
        from dragoman.search.registry import check_engine

        for found in check_engine(search.engine, EngineOptions(search.url, search.file)):
            problem(found.key, found.message, found.fix, search.mode in ("managed", "auto"))
    elif search.url or search.file:
        problem("engine", "an address or file is set, but no engine that would use it", 'set engine = "searxng"')
    if search.engine and search.mode in ("off", "native"):
        problem("mode", f"the engine is not used in mode {search.mode!r}", 'set mode = "managed" or "auto"')
