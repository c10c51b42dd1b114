"""`dragoman explain`: what would be sent upstream for a request, and what would be lost on the way. Sends nothing.

No key is needed. Exit codes: 0 the request can be sent; 1 it cannot (the reason is printed); 2 bad usage or settings.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from dragoman.catalog import Resolved, resolve
from dragoman.config import Settings, load
from dragoman.core.request import Request
from dragoman.errors import ConfigError, InvalidRequest, ModelNotFound
from dragoman.telemetry.redaction import Redactor

_WIRES = {"responses": "responses", "messages": "messages", "chat": "chat_completions"}


def run(
    file: Annotated[str, typer.Argument(help="The request's JSON body, or - for standard input.")],
    endpoint: Annotated[
        Literal["responses", "messages", "chat"], typer.Option(help="The protocol that the body speaks.")
    ] = "responses",
    model: Annotated[str | None, typer.Option("-m", "--model", help="Ask for this model instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    config: Annotated[str | None, typer.Option(help="The configuration file.")] = None,
) -> None:
    """Show what would be sent upstream for a request, without sending it."""
    settings = load(config)
    body = _read(file)
    try:
        found = explain_request(settings, body, endpoint, model)
    except InvalidRequest as error:
        _refused(error, as_json)
    found = Redactor(settings.redactions()).scrub(found)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else text(found))


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; name a file, or - for standard input") from None


def _refused(error: InvalidRequest, as_json: bool) -> None:
    info = error.info
    if as_json:
        shown = {"message": info.message, "code": info.code, "param": info.param, "status": info.http_status}
        typer.echo(json.dumps({"error": shown}, indent=2, ensure_ascii=False))
    else:
        where = f" ({info.param})" if info.param else ""
        typer.echo(f"refused with {info.http_status}{where}: {info.message}")
    raise typer.Exit(1)


def explain_request(settings: Settings, body: bytes, endpoint: str, model: str | None = None) -> dict[str, Any]:
    """The plan for `body` as JSON values. Raises InvalidRequest for a request that would be refused."""
    from dragoman.client.searching import Searching
    from dragoman.core.lowering import declares_search
    from dragoman.providers.explain import explain
    from dragoman.providers.plan import plan
    from dragoman.providers.target import Target

    if model is not None:
        body = _with_model(body, model)
    request, view = import_module(f"dragoman.wire.{_WIRES[endpoint]}").decode_request(body)
    resolved = find_model(settings, request)
    provider, account = resolved.provider, settings.accounts.get(resolved.provider.id)
    if account is None:
        provider = msgspec.structs.replace(provider, keyless=True)
    target = Target(
        provider,
        resolved.model,
        account.key if account else None,
        account.name if account else "",
        media_unsupported=settings.media.unsupported,
    )
    searching = Searching(settings.search)
    mode = searching.mode(request, target)
    made = plan(request, target, search=mode)
    found = explain(made)
    if declares_search(request.tools) and not made.native:
        # What the request declares, and who would run it.
        found["search"] = {"mode": made.search} | ({"engine": searching.engine} if made.search == "managed" else {})
    notes = [msgspec.to_builtins(note) for note in (*view.notes, *resolved.notes)]
    seen = [(note["code"], note.get("field", "")) for note in found["notes"]]
    extra = [note for note in notes if (note["code"], note.get("field", "")) not in seen]
    return {"asked": resolved.asked, "key": "set" if account else "missing", **found, "notes": extra + found["notes"]}


def _with_model(body: bytes, model: str) -> bytes:
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InvalidRequest(f"the body is no JSON object: {error}") from None
    return msgspec.json.encode({**fields, "model": model})


def find_model(settings: Settings, request: Request) -> Resolved:
    """The model as the gateway would find it; where that needs a key that is not there, as it would be with one."""
    known = settings.catalogue()
    today = datetime.now(UTC).date()
    try:
        return resolve(
            request.model, known, aliases=settings.aliases, enabled=settings.enabled_providers(), today=today
        )
    except ModelNotFound:
        return resolve(request.model, known, aliases=settings.aliases, enabled=tuple(known.providers), today=today)


def text(found: dict[str, Any]) -> str:
    """The plan for a person."""
    key = "" if found["key"] == "set" else "  (no key is set for it)"
    lines = [
        f"{found['asked']} -> {found['provider']}:{found['model']}{key}",
        f"POST {found['url']}  ({found['wire']}{', passed through' if found['native'] else ''})",
        "thinking: " + " ".join(str(value) for value in found["thinking"].values()),
    ]
    if "search" in found:
        lines.append("search: " + " by ".join(found["search"].values()))
    lines += [f"note {note['code']} {note.get('field', '')}: {note.get('message', '')}" for note in found["notes"]]
    return "\n".join([*lines, json.dumps(found["body"], indent=2, ensure_ascii=False)])
