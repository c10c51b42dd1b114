"""Reminders: text that is put at the end of a conversation for one call only.

In: the messages of a request and the reminder. Out: new messages; the given ones are never changed, and the reminder
is not meant to be stored. It stands last, after every cache mark, so that the prefix before it stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.core.messages import Message, Text


def append_reminder(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """`messages` with the reminder after the last user content; an empty reminder changes nothing.

    After a user message it becomes that message's last block. After anything else - an assistant's turn, or tool
    results, which a user message may follow on every wire - it is a user message of its own.
    """
    out = tuple(messages)
    if not text.strip():
        return out
    reminder = Text(text)
    if out and out[-1].role == "user":
        last = out[-1]
        return (*out[:-1], msgspec.structs.replace(last, content=(*last.content, reminder)))
    return (*out, Message("user", (reminder,)))
