"""Compaction: a long history replaced by a summary that the model writes, sealed so that only we can read it back.

Pure. `ask` turns a request with a trigger into the request for a summary; `CompactionStage` turns its answer into one
`compaction` item; `expand` puts an opened item's content back into later requests. Beside the summary the last user
messages are kept word for word, as far as they fit into a fifth of the history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw

from dragoman.core.events import (
    TERMINAL,
    BlockEnd,
    BlockStart,
    Event,
    Failed,
    Finished,
    Incomplete,
    Noted,
    Started,
    UsageSeen,
)
from dragoman.core.messages import Block, Compaction, Media, Message, Opaque, Text, ToolResult
from dragoman.core.request import Request
from dragoman.core.tools import ToolChoice
from dragoman.errors import CompactionUnreadable, ErrorInfo
from dragoman.wire.seal import PREFIX, Box, Payload, open_seal, seal

KEPT_SHARE = 0.2
"""Most of the history (by characters) that is kept word for word."""
_PROMPT = (
    "The conversation above is about to be replaced by your summary; nothing else of it will be remembered. Write that "
    "summary now, as plain text and without calling tools. State: what the user wants and every constraint given; what "
    "was decided and why; what was done, with exact file paths, names, commands and values that still matter; what was "
    "found out, errors included; what is unfinished, and the very next step."
)
_LEAD = "Summary of the conversation so far, which was compacted:\n\n"


def ask(request: Request) -> Request:
    """The request for a summary. Tools stay declared, for the prompt's cached prefix, but none is to be called."""
    choice = ToolChoice("none") if request.tools else None
    messages = (*request.messages, Message("user", (Text(_PROMPT),)))
    return msgspec.structs.replace(
        request, messages=messages, tool_choice=choice, response_format=None, compaction=False, body=None
    )


def _size(message: Message) -> int:
    size = 0
    for block in message.content:
        match block:
            case Text():
                size += len(block.text)
            case ToolResult():
                size += sum(len(part.text) for part in block.content if isinstance(part, Text))
            case Media():
                size += 0
            case _:
                size += len(getattr(block, "text", "") or getattr(block, "arguments", ""))
    return size


def kept(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The last user messages that fit into a fifth of the history together, text only, oldest first.

    The summary of an earlier compaction is no user's message: the new one has taken it in.
    """
    room = int(sum(map(_size, messages)) * KEPT_SHARE)
    out: list[Message] = []
    for message in reversed(messages):
        if message.role != "user":
            continue
        text = "\n".join(b.text for b in message.content if isinstance(b, Text) and b.text)
        if not text or len(text) > room or text.startswith(_LEAD):
            continue
        room -= len(text)
        out.append(Message("user", (Text(text),)))
    return tuple(reversed(out))


class CompactionStage:
    """The summary's events in, one compaction item out. mint: makes the item's id."""

    def __init__(self, box: Box, tenant: str, messages: Sequence[Message], mint: Callable[[str], str]) -> None:
        self._box = box
        self._tenant = tenant
        self._kept = kept(messages)
        self._mint = mint
        self._text: list[str] = []

    def feed(self, events: list[Event]) -> list[Event]:
        """Nothing of the summary itself is shown; the item comes with the end."""
        out: list[Event] = []
        for event in events:
            if isinstance(event, BlockEnd) and isinstance(event.block, Text):
                self._text.append(event.block.text)
            elif isinstance(event, TERMINAL):
                out += self._end(event)
            elif isinstance(event, Started | UsageSeen | Noted):
                out.append(event)
        return out

    def _end(self, event: Finished | Incomplete | Failed) -> list[Event]:
        if isinstance(event, Failed):
            return [event]
        summary = "\n\n".join(self._text).strip()
        if isinstance(event, Incomplete) or not summary:
            why = "was cut short" if isinstance(event, Incomplete) else "is empty"
            error = ErrorInfo("server", f"the summary for the compaction {why}", code="compaction_failed")
            return [Failed(error, event.usage)]
        blob = seal(self._box, Payload(summary=summary, kept=self._kept), purpose="compaction", tenant=self._tenant)
        item = {"id": self._mint("cmp_"), "type": "compaction", "encrypted_content": blob}
        block = Opaque("compaction", Raw(msgspec.json.encode(item)), "responses")
        return [BlockStart(0, block), BlockEnd(0, block), Finished(usage=event.usage)]


def expand(messages: Sequence[Message], box: Box, tenant: str) -> tuple[Message, ...]:
    """The messages with each compaction item that was sealed here replaced by what it holds.

    User messages that the client itself still sends are not said twice. An item of a vendor's own stays: replay knows
    who can read it. Raises CompactionUnreadable for a seal of ours that does not open.
    """
    said = {m.text.strip() for m in messages if m.role == "user"}
    out: list[Message] = []
    for message in messages:
        if not any(isinstance(b, Compaction) for b in message.content):
            out.append(message)
            continue
        rest: list[Block] = []
        for block in message.content:
            if not isinstance(block, Compaction) or not block.blob.startswith(PREFIX):
                rest.append(block)
                continue
            if rest:
                out.append(msgspec.structs.replace(message, content=tuple(rest)))
                rest = []
            payload = open_seal(box, block.blob, purpose="compaction", tenant=tenant)
            if payload is None:
                raise CompactionUnreadable(
                    "the compaction item was not made here, or its key is gone; start a new conversation,"
                    " or send the history itself",
                    code="compaction_unreadable",
                    param="input",
                )
            out.append(Message("user", (Text(_LEAD + payload.summary),)))
            out += [m for m in payload.kept if m.text.strip() not in said]
        if rest:
            out.append(msgspec.structs.replace(message, content=tuple(rest)))
    return tuple(out)
