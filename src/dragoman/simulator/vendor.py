"""What a simulated vendor is: models, addresses, and per wire its rules, its voice and its errors.

The mechanics stand in the modules of the wires (`chat_rules`, `chat_stream`, ...); one file of `vendors/` a vendor
fills them with data and small functions. Facts and their sources: docs/providers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.memory import Broken, ReasoningMemory, no_replay

if TYPE_CHECKING:
    from dragoman.simulator.chat_rules import ChatRules
    from dragoman.simulator.chat_stream import ChatVoice
    from dragoman.simulator.messages_rules import MessagesRules
    from dragoman.simulator.messages_stream import MessagesVoice
    from dragoman.simulator.responses_rules import ResponsesStyle

WireName = Literal["chat", "messages", "responses"]
Thinking = Literal["switch", "forced", "adaptive", "none"]
"""switch: on by default, can be turned off. forced: always on. adaptive: the model decides, can be turned off."""


class ModelCard(msgspec.Struct, frozen=True):
    """One served model. context and max_output in tokens. media: the kinds of media that it takes.

    wires: the protocols that serve it. family: what the vendor's rules call its kind.
    """

    id: str
    context: int = 1_048_576
    max_output: int = 131_072
    default_output: int = 131_072
    media: tuple[str, ...] = ("image", "audio", "video")
    thinking: Thinking = "switch"
    wires: tuple[WireName, ...] = ("chat", "messages", "responses")
    family: str = ""


class Failure(msgspec.Struct, frozen=True):
    """An error before it is written in a vendor's shape. code, kind, param: words of that shape, "" where unused.

    headers: what the vendor sends along with this error.
    """

    status: int
    message: str
    code: str = ""
    kind: str = ""
    param: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Account:
    """What the key stands for: switches of the account, and what the server keeps for it.

    search: the web search plugin is on. stored: kept answers, for wires that have them. path: where the request came
    in that is being read, for vendors whose rules differ by host or path. headers: its headers, for rules that a header
    opens.
    """

    def __init__(self, *, search: bool = False, path: str = "") -> None:
        self.search = search
        self.path = path
        self.headers: Mapping[str, str] = {}
        self.stored: dict[str, Any] = {}


def bearer_key(headers: Mapping[str, str]) -> str | None:
    """The key of `Authorization: Bearer`; None where there is none."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def bearer_or_x_api_key(headers: Mapping[str, str], wire: WireName) -> str | None:
    """Bearer; on Messages the header of the Anthropic SDKs, too, which counts less where both are sent."""
    found = bearer_key(headers)
    return found if found or wire != "messages" else headers.get("x-api-key") or None


class Vendor(msgspec.Struct, frozen=True, eq=False):
    """One simulated upstream.

    paths: path -> wire. key: the key among the headers; None is a 401. told: a broken rule as an error in the vendor's
    words. body: an error as bytes, with the request's id. failures: the errors that directives ask for by name.
    overflow: the error for a prompt of so many tokens. replay: what must come back of old reasoning; raises Rejected,
    or gives what the server takes and we do not. manners: odd but legal ways to answer that a directive can ask for.
    listed: an entry of the model list. half_record: errors of streamed requests come as half an SSE record. chat,
    messages: the rules of these wires; chat_voice, messages_voice: their answers; responses: what `responses_rules` and
    `responses_stream` want to know of this vendor.
    """

    id: str
    owner: str
    models: tuple[ModelCard, ...]
    paths: Mapping[str, WireName]
    told: Callable[[Rejected, WireName], Failure]
    body: Callable[[Failure, WireName, str], bytes]
    failures: Mapping[str, Failure]
    overflow: Callable[[ModelCard, int], Failure]
    key: Callable[[Mapping[str, str], WireName], str | None]
    models_paths: tuple[str, ...] = ("/v1/models",)
    listed: Callable[[ModelCard], dict[str, Any]] | None = None
    retired: tuple[str, ...] = ()
    replay: Callable[[ReasoningMemory, Ask], Iterable[Broken]] = no_replay
    manners: tuple[str, ...] = ()
    half_record: bool = False
    request_id: str = "x-request-id"
    chat: ChatRules | None = None
    chat_voice: ChatVoice | None = None
    messages: MessagesRules | None = None
    messages_voice: MessagesVoice | None = None
    responses: ResponsesStyle | None = None

    def card(self, model: str) -> ModelCard | None:
        """The card of a served model."""
        return next((card for card in self.models if card.id == model), None)

    def wire(self, path: str) -> WireName | None:
        """Which protocol is spoken at a path."""
        return self.paths.get(path)
