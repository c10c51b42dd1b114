"""The form of the answer: JSON schemas for providers that have none, and the word JSON where they ask for it.

The instruction stands at the end of the leading system text and depends on the request's format and that text alone,
so that it is the same in every turn of a conversation.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.core.messages import Message, Text, WireName
from dragoman.core.notes import Note
from dragoman.core.profile import Profile
from dragoman.core.request import ResponseFormat

FIELDS: dict[WireName, str] = {
    "chat": "response_format",
    "responses": "text.format",
    "messages": "output_config.format",
}
"""Where each client protocol asks for a form."""


def taken_formats(profile: Profile, wire: WireName) -> frozenset[str]:
    """The forms that the provider sees to on this wire. The Messages protocol has no word for JSON without a schema."""
    return profile.response_formats - {"json_object"} if wire == "messages" else profile.response_formats


def shape_format(
    asked: ResponseFormat | None,
    messages: Sequence[Message],
    profile: Profile,
    client: WireName,
    wire: WireName,
    notes: list[Note],
) -> tuple[ResponseFormat | None, tuple[Message, ...]]:
    """The format that goes upstream, and the messages with an instruction where one is needed."""
    messages, taken = tuple(messages), taken_formats(profile, wire)
    if asked is None or asked.kind == "text":
        return (asked if asked and "text" in taken else None), messages
    if asked.kind in taken and (asked.kind == "json_schema" or not profile.json_word):
        return asked, messages
    field = FIELDS[client]
    # JSON mode gives objects only: a schema of another kind of value would contradict it.
    mode = "json_object" in taken and _wants_object(asked)
    sent = ResponseFormat("json_object") if mode else None
    if asked.kind == "json_schema":
        notes.append(Note("format_degraded", field, "the provider has no JSON schema; the model is told of it"))
        return sent, _instruct(messages, _schema_text(asked))
    if sent is not None and "json" in _leading_text(messages).lower():
        return sent, messages
    if sent is None:
        notes.append(Note("format_degraded", field, "the provider has no JSON mode; the model is told of it"))
    else:
        notes.append(Note("format_instruction", field, "the provider wants the prompt to ask for JSON"))
    return sent, _instruct(messages, "Answer with a single JSON object and nothing else.")


class _Root(msgspec.Struct):
    type: object = "object"


def _wants_object(asked: ResponseFormat) -> bool:
    """Whether the answer may be an object, by the type that stands at the root of its schema."""
    if asked.kind != "json_schema" or asked.schema is None:
        return True
    try:
        kind = msgspec.json.decode(asked.schema, type=_Root).type
    except msgspec.DecodeError:
        return True
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _schema_text(asked: ResponseFormat) -> str:
    schema = bytes(asked.schema).decode() if asked.schema is not None else "{}"
    about = f" It is: {asked.description}" if asked.description else ""
    return (
        "Your final answer must be one JSON value that is valid under the JSON Schema below, with no other text and no "
        f"code fence around it.{about}\nJSON Schema:\n{schema}"
    )


def _leading(messages: Sequence[Message]) -> int:
    """How many messages at the start are system text."""
    count = 0
    while count < len(messages) and messages[count].role in ("system", "developer"):
        count += 1
    return count


def _leading_text(messages: Sequence[Message]) -> str:
    return "\n".join(message.text for message in messages[: _leading(messages)])


def _instruct(messages: tuple[Message, ...], instruction: str) -> tuple[Message, ...]:
    """`instruction` at the end of the leading system text."""
    count = _leading(messages)
    if not count:
        return (Message("system", (Text(instruction),)), *messages)
    last = messages[count - 1]
    last = msgspec.structs.replace(last, content=(*last.content, Text("\n\n" + instruction)))
    return (*messages[: count - 1], last, *messages[count:])
