"""The library face: one async API over every provider.

In: settings (the environment and `dragoman.toml` by default), or keys given by hand. Out: streams of canonical events,
whole answers, and the catalogue. Resolves the name, makes the plan, and hands it to the engine; what is wrong with a
request or the configuration is raised before any call, what goes wrong afterwards is the stream's last event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Unpack
from weakref import WeakSet

import msgspec

from dragoman.catalog import ModelRow, resolve
from dragoman.client.ask import MessageLike, Options, build
from dragoman.client.engine import Engine
from dragoman.client.ids import new_id
from dragoman.client.opening import open_answer
from dragoman.client.retry import RetryPolicy, Timeouts
from dragoman.client.searching import Searching
from dragoman.client.stream import Answer, Stream
from dragoman.client.transport import Transport
from dragoman.config import Settings, load
from dragoman.config.settings import Search
from dragoman.core.events import Failed
from dragoman.core.notes import Note
from dragoman.core.request import Request
from dragoman.cost import Cost, price
from dragoman.errors import ConfigError, UpstreamError
from dragoman.providers.plan import Plan, plan
from dragoman.providers.target import Target

if TYPE_CHECKING:
    from dragoman.search.engine import SearchEngine


class ModelStatus(msgspec.Struct, frozen=True):
    """A model of the catalogue. ready: its provider can be called now. key_env: the variables that may hold its key."""

    row: ModelRow
    ready: bool
    key_env: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`provider:model`."""
        return self.row.id


class Models:
    """The catalogue as this client sees it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list(self, *, ready: bool | None = None) -> tuple[ModelStatus, ...]:
        """All models, or those whose provider has a key (True), or has none (False)."""
        every = (self._status(row) for row in self._settings.catalogue().all())
        return tuple(status for status in every if ready is None or status.ready is ready)

    def get(self, name: str) -> ModelStatus:
        """The model that `name` stands for. Raises ModelNotFound with near names."""
        settings = self._settings
        catalogue = settings.catalogue()
        return self._status(
            resolve(name, catalogue, aliases=settings.aliases, enabled=settings.enabled_providers()).row
        )

    def _status(self, row: ModelRow) -> ModelStatus:
        provider = self._settings.provider(row.facts.provider)
        ready = row.facts.provider in self._settings.enabled_providers()
        return ModelStatus(row, ready, provider.key_env if provider is not None else ())


class Client:
    """`async with Client() as client: ...`; or make one and call `close` at the end.

    settings: everything as configured; without them environment and file are read, where `api_keys` and `base_urls`
    (provider -> value) go before both. transport: another one than aiohttp; it is not closed here. search: who runs a
    declared web search, instead of the settings; an engine is used where the vendor does not search itself, and closed.
    Raises ConfigError for settings that cannot be used.
    """

    def __init__(
        self,
        *,
        api_keys: Mapping[str, str] | None = None,
        base_urls: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        search: SearchEngine | Search | None = None,
    ) -> None:
        if settings is not None and (api_keys or base_urls):
            raise ConfigError("give either settings or api_keys and base_urls; settings hold keys already")
        self.settings = settings or load(flags=_flags(api_keys or {}, base_urls or {}))
        limits = self.settings.timeouts
        self._owned: Transport | None = None
        if transport is None:
            # Imported here, because importing the library loads msgspec and aiohttp only.
            from dragoman.client.direct_transport import DirectTransport

            transport = self._owned = DirectTransport()
        self._engine = Engine(
            transport,
            timeouts or Timeouts(limits.connect, limits.first_byte, limits.idle, limits.total),
            retry or RetryPolicy(attempts=self.settings.retry.attempts),
        )
        self._searching = _searching(self.settings, search)
        self._streams: WeakSet[Stream] = WeakSet()
        self.models = Models(self.settings)
        """The catalogue, with key status."""

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every stream that is still under way and closes the connections."""
        for stream in list(self._streams):
            await stream.aclose()
        await self._searching.close()
        if self._owned is not None:
            await self._owned.close()

    def stream(
        self, *, messages: MessageLike | Iterable[MessageLike], model: str | None = None, **options: Unpack[Options]
    ) -> Stream:
        """An answer as it comes; the call starts when the stream is entered or first read.

        model: `provider:model`, an alias or a bare name; the configured default without it. Raises InvalidRequest,
        ModelNotFound and ConfigError here; nothing is raised once the stream runs.
        """
        return self._stream(model, messages, options, stream=True)

    async def complete(
        self, *, messages: MessageLike | Iterable[MessageLike], model: str | None = None, **options: Unpack[Options]
    ) -> Answer:
        """A whole answer. Raises UpstreamError when the vendor failed, and what `stream` raises."""
        stream = self._stream(model, messages, options, stream=False)
        answer = await stream.reply()
        if isinstance(answer.end, Failed):
            raise UpstreamError(answer.end.error)
        return answer

    def cost(self, answer: Answer) -> Cost:
        """What the answer cost: unknown (amount None) where usage or price are."""
        if answer.cost is not None:
            return answer.cost
        if answer.usage is None:
            return Cost(None, unknown=("usage",))
        row = self.settings.catalogue().model(answer.provider, answer.model_id)
        return price(answer.usage, row, datetime.now(UTC))

    def _stream(
        self, model: str | None, messages: MessageLike | Iterable[MessageLike], options: Options, *, stream: bool
    ) -> Stream:
        name = model or self.settings.default_choice()
        request = build(name, messages, options, stream=stream)
        settings = self.settings
        found = resolve(
            name,
            settings.catalogue(),
            aliases=settings.aliases,
            enabled=settings.enabled_providers(),
            today=datetime.now(UTC).date(),
        )
        account = settings.account(found.provider.id)
        target = Target(
            provider=found.provider,
            model=found.model,
            key=account.key,
            account=account.name,
            wire=options.get("wire"),
            base_url=account.base_url or None,
            extra_body=options.get("extra_body", {}),
            strict_usage=options.get("strict_usage", False),
            foreign_reasoning=options.get("foreign_reasoning"),
            media_unsupported=options.get("media_unsupported", settings.media.unsupported),
            own_files=True,
        )

        search = self._searching.begin(request, target, options.get("search"))

        def make(request: Request) -> Plan:
            return plan(request, target, session=options.get("session", ""), search=search.mode)

        made, conductors = open_answer(request, make, search, new_id)
        return Stream(self._engine, _noted(made, found.notes), found.row, self._streams.add, conductors)


def _searching(settings: Settings, given: SearchEngine | Search | None) -> Searching:
    if given is None or isinstance(given, Search):
        return Searching(given or settings.search)
    configured = settings.search
    if configured.mode == "off":
        configured = msgspec.structs.replace(configured, mode="auto")
    return Searching(configured, given)


def _noted(made: Plan, notes: tuple[Note, ...]) -> Plan:
    """The plan with the notes of the name's resolution, each code and field once."""
    seen = {(note.code, note.field) for note in made.notes}
    more = tuple(note for note in notes if (note.code, note.field) not in seen)
    return msgspec.structs.replace(made, notes=(*more, *made.notes)) if more else made


def _flags(keys: Mapping[str, str], urls: Mapping[str, str]) -> dict[str, object]:
    flags: dict[str, object] = {f"providers.{name}.api_key": key for name, key in keys.items()}
    flags |= {f"providers.{name}.base_url": url for name, url in urls.items()}
    return flags
