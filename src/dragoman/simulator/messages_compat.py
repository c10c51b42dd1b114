"""The Messages protocol as vendors other than its own serve it: the same shapes, less of them, and more of it ignored.

What a vendor takes is data of a subclass of `CompatibleMessages`; cache marks, metadata and the like are taken
everywhere, since coding agents send them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.simulator.fields import (
    Rule,
    anything,
    array,
    boolean,
    either,
    integer,
    mapping,
    number,
    one_of,
    record,
    string,
    tagged,
    text,
)
from dragoman.simulator.messages_rules import MessagesRules, client_tool, source, tool_choice
from dragoman.simulator.vendor import ModelCard

IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
MARK = record({"type": one_of("ephemeral"), "ttl": one_of("5m", "1h")}, ("type",))
"""A cache mark."""


def marked(table: Mapping[str, Rule], *required: str) -> Rule:
    """A block with these fields, and perhaps a cache mark."""
    return record({"type": string, **table, "cache_control": MARK}, required)


class CompatibleMessages(MessagesRules):
    """A vendor's subset of the Messages protocol.

    temperature: its range. choices: types of tool_choice. thinks: types of thinking. efforts: words of
    `output_config.effort`; none means that the field is unknown. ignored: fields that are taken and not heeded.
    marks: cache marks are heeded; otherwise they are taken and counted as ignored. tool_name: its pattern.
    """

    temperature: tuple[float, float] = (0.0, 1.0)
    choices: tuple[str, ...] = ("auto", "any", "tool", "none")
    thinks: tuple[str, ...] = ("enabled", "adaptive", "disabled")
    further: Mapping[str, Rule] = {}
    marks: bool = True
    tool_name: str = "[A-Za-z0-9_-]{1,64}"

    def efforts(self, card: ModelCard) -> tuple[str, ...]:
        """The words of `output_config.effort` for this model."""
        return ()

    def thinking_types(self, card: ModelCard) -> tuple[str, ...]:
        """The types of thinking for this model."""
        return self.thinks

    def table(self, card: ModelCard) -> Mapping[str, Rule]:
        """The fields of the body."""
        efforts = self.efforts(card)
        effort = {"output_config": record({"effort": one_of(*efforts)})} if efforts else {}
        types = one_of(*self.thinking_types(card))
        display = one_of("summarized", "omitted")
        return {
            "model": string,
            "messages": array(mapping, 1),
            "max_tokens": integer(1, card.max_output),
            "system": either(string, array(tagged({"text": marked({"text": text}, "text")}), 1)),
            "stream": boolean,
            "temperature": number(*self.temperature),
            "top_p": number(0.0, 1.0),
            "stop_sequences": array(string),
            "metadata": record({"user_id": string}),
            "thinking": record({"type": types, "budget_tokens": integer(1, 1 << 30), "display": display}, ("type",)),
            "tools": array(client_tool(self.tool_name, cache_control=MARK), 1, 128),
            "tool_choice": tool_choice(*self.choices),
            **effort,
            **dict.fromkeys(self.ignored, anything),
            **self.further,
        }

    def blocks(self, card: ModelCard) -> Mapping[str, Mapping[str, Rule]]:
        """Text, thinking, tools, and pictures where the model sees them."""
        plain = marked({"text": text}, "text")
        image = {"image": marked({"source": source(*IMAGES)}, "source")} if "image" in card.media else {}
        result = marked(
            {
                "tool_use_id": text,
                "content": either(string, array(tagged({"text": plain, **image}))),
                "is_error": boolean,
            },
            "tool_use_id",
        )
        thinking = record({"type": string, "thinking": string, "signature": string}, ("thinking",))
        use = marked({"id": text, "name": text, "input": mapping}, "id", "name", "input")
        return {
            "user": {"text": plain, **image, "tool_result": result},
            "assistant": {"text": plain, "thinking": thinking, "tool_use": use},
        }

    def unheeded(self, body: dict[str, Any], thinking: bool) -> tuple[tuple[str, str], ...]:
        """The ignored fields, and the marks of a vendor that does not heed them."""
        out = super().unheeded(body, thinking)
        if not self.marks and "cache_control" in _keys(body):
            out = (*out, ("cache_control", "ephemeral"))
        return out


def _keys(value: Any) -> set[str]:
    """The keys of all objects in the value."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found |= set(one)
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found
