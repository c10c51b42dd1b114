"""The simulator's own view of a request: what was said, which tools are offered, what is asked.

Both protocols are read into an `Ask` by their rules; the brain reads nothing else. Deliberately poorer than the
package's canonical request, and made by other code: a codec's error must not be able to hide here.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Rejected(Exception):
    """The request breaks a documented rule and is answered with an error.

    rule: a slug, as the verdict shows it. field: path of the field. reason: what is wrong, for the vendor's words to be
    put around. message: the vendor's own words in place of those it uses for this rule.
    """

    def __init__(self, rule: str, field: str, reason: str, *, status: int = 400, message: str = "") -> None:
        super().__init__(f"{rule}: {field}: {reason}")
        self.rule = rule
        self.field = field
        self.reason = reason
        self.status = status
        self.message = message


class Call(msgspec.Struct, frozen=True):
    """A tool call. arguments: JSON text."""

    name: str
    arguments: str
    id: str = ""


class Said(msgspec.Struct, frozen=True):
    """One message of the history. results: (call id, text) pairs. reasoning: None where the field was absent.

    signature: what marks the reasoning as the server's own. form: in which form it came, where there are several.
    parts: the texts of which `text` was put together, () where it came as one.
    """

    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    results: tuple[tuple[str, str], ...] = ()
    reasoning: str | None = None
    signature: str | None = None
    path: str = ""
    form: str = ""
    parts: tuple[str, ...] = ()


class Offered(msgspec.Struct, frozen=True):
    """A tool on offer. schema: the JSON Schema of its arguments. kind: function or custom (free text)."""

    name: str
    description: str
    schema: dict[str, Any]
    kind: str = "function"


CUSTOM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
"""A custom tool takes free text; the scripted model fills it as one field."""


class Ask(msgspec.Struct, frozen=True):
    """One request that obeys the rules.

    ignored: fields that the vendor accepts and does not heed, as (field, value). search: a server-side web search is
    declared. limit: output tokens, reasoning included. prompt: the bytes that a prefix cache would see. options: words
    of the vendor's own for its voice; `form:NAME` is the form in which reasoning goes out. extra: whatever the stream
    module of the wire wants to know.
    """

    wire: Literal["chat", "messages", "responses"]
    model: str
    said: tuple[Said, ...]
    system: str = ""
    tools: tuple[Offered, ...] = ()
    stream: bool = False
    thinking: bool = True
    json: bool = False
    limit: int = 131072
    stop: tuple[str, ...] = ()
    search: bool = False
    ignored: tuple[tuple[str, str], ...] = ()
    tolerated: tuple[str, ...] = ()
    prompt: bytes = b""
    options: frozenset[str] = frozenset()
    extra: Any = None
