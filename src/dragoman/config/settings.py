"""The settings as typed values: what a person can say in `dragoman.toml`, with the defaults.

Values only; where each came from is in `Settings.provenance`. Reading is in `load`, judging in `check`. No key is ever
shown by a repr. Knows no vendor: providers are ids of the catalogue.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from dragoman import catalog
from dragoman.catalog import Catalogue, Limits, ProviderRow
from dragoman.catalog.rows import AuthStyle
from dragoman.core.messages import WireName
from dragoman.core.profile import ForeignReasoning, ThinkingDefault, UnsupportedMedia
from dragoman.errors import ConfigError

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0)]

MASK = "[set]"


class _Quiet(msgspec.Struct, frozen=True):
    """A group of settings whose repr hides the fields in `SECRET`."""

    SECRET: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (
            f"{name}={MASK if name in self.SECRET and getattr(self, name) else repr(getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Server(_Quiet, frozen=True):
    """Where the gateway listens and who may call it. api_key: what clients must send; max_body_mb: decoded MiB."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"api_key"})

    host: str = "127.0.0.1"
    port: Port = 3724
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    max_body_mb: Positive = 32.0


class ProviderSettings(_Quiet, frozen=True):
    """What the person says of one provider. None and empty leave the catalogue's word.

    profile: the name of a profile, or a table of flags with an optional `base`. limits: False switches shaping off.
    currency: what the account is billed in, where the vendor has price lists in several.
    """

    SECRET: ClassVar[frozenset[str]] = frozenset({"api_key", "headers"})

    base_url: str | None = None
    urls: dict[WireName, str] = {}
    api_key: str | None = None
    auth: AuthStyle | None = None
    wire: WireName | None = None
    profile: str | dict[str, Any] | None = None
    headers: dict[str, str] = {}
    native: tuple[WireName, ...] | None = None
    thinking_default: ThinkingDefault | None = None
    foreign_reasoning: ForeignReasoning | None = None
    limits: Limits | Literal[False] | None = None
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] | None = None


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds; 0 is no limit.

    connect: to reach a vendor. first_byte: until its answer begins. idle: silence inside an answer. total: the whole
    call. commit: after the vendor's 200 until the client's stream is opened without content. commit_headers: waiting
    for that 200 until it is opened all the same. keepalive: between signs of life to the client.
    """

    connect: Seconds = 10.0
    first_byte: Seconds = 300.0
    idle: Seconds = 120.0
    total: Seconds = 0.0
    commit: Seconds = 1.0
    commit_headers: Seconds = 10.0
    keepalive: Seconds = 15.0


class Retry(msgspec.Struct, frozen=True):
    """attempts: calls for one request, the first included."""

    attempts: Count = 2


class Seal(_Quiet, frozen=True):
    """keys: secrets that seal reasoning; the first seals, all open."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"keys"})

    keys: tuple[str, ...] = ()


class Vault(msgspec.Struct, frozen=True):
    """Remembered reasoning. ttl_s: seconds since last use. max_mb: memory."""

    ttl_s: Positive = 7 * 24 * 3600.0
    max_mb: Positive = 64.0


class Sessions(msgspec.Struct, frozen=True):
    """Stored responses. mode: where they live."""

    mode: Literal["memory", "sql", "off"] = "memory"
    ttl_s: Positive = 24 * 3600.0
    max_mb: Positive = 256.0


class Search(msgspec.Struct, frozen=True):
    """Web search. mode: who runs one that a request declares; auto is the vendor where it can, else the engine.

    url, file: where the engine is, or what it reads. missing: what happens to a declared search when nothing can run
    it. max_rounds: calls of the model in one answer that may end in searches. timeout_s: one search. language: a tag
    such as `de`. cache_ttl_s: how long a result is kept, 0 not at all. per_minute, per_day: searches of this process,
    0 is no limit. fetch: how many of the found pages are read.
    """

    mode: Literal["off", "native", "managed", "auto"] = "off"
    engine: str = ""
    url: str = ""
    file: str = ""
    missing: Literal["fail", "ignore", "client"] = "ignore"
    max_rounds: Count = 5
    timeout_s: Positive = 15.0
    language: str = ""
    cache_ttl_s: Seconds = 600.0
    per_minute: Natural = 60
    per_day: Natural = 0
    fetch: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0


class MediaSettings(msgspec.Struct, frozen=True):
    """Images, sounds, films and documents. unsupported: what becomes of one in the newest user turn that the model
    cannot take - `error` refuses the request, `note` puts a sentence in its place and tells it in a note."""

    unsupported: UnsupportedMedia = "error"


class Trace(msgspec.Struct, frozen=True):
    """What is kept of each request: nothing, hashes, or the content itself."""

    mode: Literal["off", "hash", "full"] = "off"


class Stores(_Quiet, frozen=True):
    """Shared stores: a database URL and a Redis URL. Empty is this process alone."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"url", "redis_url"})

    url: str = ""
    redis_url: str = ""


class Account(_Quiet, frozen=True):
    """One way to pay a provider. name: shown in errors. key: None where the server wants none."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"key"})

    name: str
    provider: str
    key: str | None = None
    base_url: str = ""
    limits: Limits = Limits()


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with the configuration. key: the setting. place: file and line, or the environment's variable.

    fatal: nothing can be started with it.
    """

    key: str
    message: str
    fix: str = ""
    place: str = ""
    fatal: bool = True

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        key = f"{self.key}: " if self.key else ""
        fix = f"; fix: {self.fix}" if self.fix else ""
        return f"{where}{key}{self.message}{fix}"


class Settings(_Quiet, frozen=True):
    """Everything that can be set, after precedence: flag, environment, file, default.

    file: the file that was read, "" for none. home: the data folder. provenance: dotted setting -> where its value
    came from; a setting that is missing there has its default. problems: what is wrong without being fatal.
    """

    SECRET: ClassVar[frozenset[str]] = frozenset({"known", "accounts"})

    server: Server = Server()
    providers: dict[str, ProviderSettings] = {}
    aliases: dict[str, str] = {}
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    seal: Seal = Seal()
    vault: Vault = Vault()
    sessions: Sessions = Sessions()
    search: Search = Search()
    media: MediaSettings = MediaSettings()
    trace: Trace = Trace()
    stores: Stores = Stores()
    default_model: str | None = None
    home: str = ""
    file: str = ""
    provenance: dict[str, str] = {}
    problems: tuple[Problem, ...] = ()
    accounts: dict[str, Account] = {}
    known: Catalogue | None = None

    def catalogue(self) -> Catalogue:
        """The catalogue with this person's providers and facts."""
        return self.known if self.known is not None else catalog.load()

    def provider(self, name: str) -> ProviderRow | None:
        """The provider of this id or alias, as this person set it."""
        return self.catalogue().provider(name)

    def enabled_providers(self) -> tuple[str, ...]:
        """Ids of the providers that can be called, in the catalogue's order: those with a key, and keyless ones."""
        return tuple(name for name in self.catalogue().providers if name in self.accounts)

    def account(self, provider: str) -> Account:
        """How this provider is paid. Raises ConfigError, with the remedy, when it has no key."""
        row = self.provider(provider)
        if row is None:
            raise ConfigError(f"there is no provider {provider!r}")
        account = self.accounts.get(row.id)
        if account is None:
            remedy = f"set {row.key_env[0]}, or " if row.key_env else ""
            raise ConfigError(f"provider {row.id!r} has no key; {remedy}set api_key in [providers.{row.id}]")
        return account

    def redactions(self) -> tuple[str, ...]:
        """Every secret that is configured, for redaction: keys, passwords in URLs, the values of set headers."""
        found = [self.server.api_key or "", *self.seal.keys, self.stores.url, self.stores.redis_url]
        found += [account.key or "" for account in self.accounts.values()]
        for settings in self.providers.values():
            found += [settings.api_key or "", *settings.headers.values()]
        return tuple(dict.fromkeys(secret for secret in found if len(secret) >= 4))

    def default_choice(self) -> str:
        """The model for `exec` and the terminal when none is named. Raises ConfigError with the choices."""
        if self.default_model:
            return self.default_model
        known, enabled = self.catalogue(), self.enabled_providers()
        if not enabled:
            names = ", ".join(row.key_env[0] for row in known.providers.values() if row.key_env)
            raise ConfigError(f"no provider has a key; set one of {names}, or [providers.NAME] api_key")
        first: dict[str, str] = {}
        for row in known.all():
            if row.facts.provider in enabled and row.facts.status == "current" and "text" in row.outputs:
                first.setdefault(row.facts.provider, row.id)
        if len(enabled) == 1 and first:
            return first[enabled[0]]
        choices = ", ".join(first.get(name, f"{name}:MODEL") for name in enabled)
        raise ConfigError(f"no model was named; pass -m, or set DRAGOMAN_MODEL or default_model, as in {choices}")
