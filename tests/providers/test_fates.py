"""The table of fates is true and whole: every row is sent to models of different vendors."""

from __future__ import annotations

import typing

import pytest

from dragoman.core.search import SearchMode
from dragoman.providers.fates import MEANING, TABLE
from tests.providers.fates import TARGETS, observe, pairs, target

MODES: tuple[SearchMode, ...] = ("off", "native", "managed", "client", "fail")
ROWS = [(wire, part, row) for (wire, part), rows in TABLE.items() for row in rows]


@pytest.mark.parametrize(("wire", "part", "row"), ROWS, ids=lambda v: v if isinstance(v, str) else v.name)
def test_every_row_says_what_really_happens(wire: str, part: str, row: typing.Any) -> None:
    seen: dict[str, list[str]] = {}
    for base, probed, probe, name in pairs(wire, part, row.name):
        for aim in TARGETS[wire]:
            for mode in MODES if row.name.startswith("web_search") else MODES[:1]:
                fate = observe(wire, base, probed, probe, name, target(*aim), mode)
                seen.setdefault(fate, []).append(f"{':'.join(aim)} {str(probe)[:60]} {mode}")
    assert set(seen) == set(row.fates), "\n".join(f"{fate}: {where}" for fate, where in seen.items())


def test_rows_are_there_once_and_in_known_words() -> None:
    for (wire, part), rows in TABLE.items():
        names = [row.name for row in rows]
        assert len(names) == len(set(names)), (wire, part)
        assert all(set(row.fates) <= set(MEANING) and row.fates for row in rows)


def names(wire: str, part: str) -> set[str]:
    return {row.name for row in TABLE[wire, part]}  # type: ignore[index]


def tags(union: typing.Any, field: str = "type") -> set[str]:
    """The values that the members of a union of TypedDicts have in their tag."""
    out: set[str] = set()
    for member in typing.get_args(union):
        hints = typing.get_type_hints(member)
        if field in hints:
            out |= {value for value in _literals(hints[field]) if isinstance(value, str)}
    return out


def _literals(hint: typing.Any) -> set[typing.Any]:
    if typing.get_origin(hint) is typing.Literal:
        return set(typing.get_args(hint))
    return {value for arg in typing.get_args(hint) for value in _literals(arg)}


def test_every_field_of_the_official_sdks_has_a_row() -> None:
    from anthropic.types import message_create_params as messages
    from openai.types.chat import completion_create_params as chat
    from openai.types.responses import response_create_params as responses

    assert set(responses.ResponseCreateParamsBase.__annotations__) <= names("responses", "field")
    assert set(chat.CompletionCreateParamsBase.__annotations__) <= names("chat", "field")
    assert set(messages.MessageCreateParamsBase.__annotations__) <= names("messages", "field")


def test_every_item_block_and_part_of_the_official_sdks_has_a_row() -> None:
    from anthropic.types import content_block_param
    from openai.types.chat import chat_completion_content_part_param as part
    from openai.types.chat import chat_completion_message_param as message
    from openai.types.responses import response_input_item_param as item

    assert tags(item.ResponseInputItemParam) <= names("responses", "item")
    assert tags(message.ChatCompletionMessageParam, "role") <= names("chat", "item")
    assert tags(part.ChatCompletionContentPartParam) <= names("chat", "part")
    assert tags(content_block_param.ContentBlockParam) <= names("messages", "block")


def test_every_tool_of_the_official_sdks_has_a_row() -> None:
    from anthropic.types import tool_union_param
    from openai.types.responses import tool_param

    ours = names("responses", "tool")
    for kind in tags(tool_param.ToolParam):
        assert kind in ours or any(kind.startswith(name) for name in ours - {"*"}), kind
    ours = names("messages", "tool")
    for kind in tags(tool_union_param.ToolUnionParam):
        assert any(kind.startswith(name) for name in ours), kind


def test_every_parameter_that_a_codec_knows_has_a_row() -> None:
    from dragoman.wire.chat_completions import request_in as chat
    from dragoman.wire.messages import request_in as messages
    from dragoman.wire.responses import request_in as responses

    assert names("chat", "field") >= (chat.PARAMS | chat._OWN)
    assert names("messages", "field") >= (messages._HERE | messages._PARAMS)
    assert names("responses", "field") >= (responses.PARAMS | responses._HANDLED)
