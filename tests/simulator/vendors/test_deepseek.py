"""DeepSeek: the deserializer's words, the rule on turns that used tools, keep-alive comments and cache counts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dragoman.simulator.ask import Ask, Rejected
from dragoman.simulator.vendor import Account
from dragoman.simulator.vendors.deepseek import CHAT_WORDS, DEEPSEEK, MESSAGES_WORDS
from tests.simulator.conftest import simulated
from tests.simulator.vendors.test_every import SHELL, USED, history, rules, used

USER = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "r"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
TEXT = {"type": "text", "text": "what?"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
NAMED = {"type": "function", "function": {"name": "f"}}


def said(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "deepseek-v4-pro", "messages": copy.deepcopy(list(messages) or [USER]), **fields}


def read(body: dict[str, Any], model: str = "deepseek-v4-pro") -> Ask:
    card = DEEPSEEK.card(model)
    assert card is not None and DEEPSEEK.chat is not None
    return DEEPSEEK.chat.read({**body, "model": model}, card, Account())


def tool(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {**TOOL["function"], **fields}}


DESERIALIZE = "Failed to deserialize the JSON body into the target type: "
BAD = [
    ("unknown field", said(store=True), "unknown_field", DESERIALIZE + "unknown field `store`"),
    ("parallel", said(parallel_tool_calls=True), "unknown_field", "unknown field `parallel_tool_calls`"),
    ("max_completion_tokens", said(max_completion_tokens=5), "unknown_field", "unknown field `max_completion_tokens`"),
    ("seed", said(seed=1), "unknown_field", "unknown field `seed`"),
    ("developer", said({**USER, "role": "developer"}), "role", "unknown variant `developer`"),
    ("picture for a text model", said({**USER, "content": [IMAGE, TEXT]}), "part_type",
     "messages[0]: unknown variant `image_url`, expected `text`"),
    ("picture in a result", said(USER, CALLED, {**RESULT, "content": [{"type": "input_image", "image_url": "x"}]}),
     "part_type", "messages[2]: unknown variant `input_image`, expected `text`"),
    ("neither content nor calls", said(USER, {"role": "assistant", "content": None}), "content_missing",
     "Invalid assistant message: content or tool_calls must be set"),
    ("nothing at all", said(USER, {"role": "assistant"}), "content_missing", "content or tool_calls must be set"),
    ("user null", said({**USER, "content": None}), "content_null", DESERIALIZE),
    ("prefix", said(USER, {"role": "assistant", "content": "x", "prefix": True}), "unknown_field", "`prefix`"),
    ("json without the word", said(response_format={"type": "json_object"}), "json_word", "the word 'json'"),
    ("json schema", said(response_format={"type": "json_schema"}), "field_value", DESERIALIZE),
    ("129 tools", said(tools=[tool(name=f"f{i}") for i in range(129)]), "field_range", "tools"),
    ("strict", said(tools=[tool(strict=True)]), "beta", "beta"),
    ("custom tool", said(tools=[{"type": "custom"}]), "tool_type", "tools[0]: unknown variant `custom`"),
    ("tool twice", said(tools=[TOOL, TOOL]), "tool_twice", "Tool names must be unique."),
    ("choice of another", said(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}),
     "tool_choice_name", "not offered"),
    ("required without tools", said(tool_choice="required"), "tool_choice_name", "no tools"),
    ("choice unknown", said(tools=[TOOL], tool_choice="any"), "field_value", DESERIALIZE),
    ("17 stops", said(stop=[str(i) for i in range(17)]), "field_range", "stop"),
    ("user id", said(user_id="a b"), "user_id", "user_id"),
    ("logprobs", said(top_logprobs=3), "top_logprobs", "top_logprobs needs logprobs"),
    ("effort", said(reasoning_effort="none"), "field_value", DESERIALIZE),
    ("adaptive", said(thinking={"type": "adaptive"}), "field_value", DESERIALIZE),
    ("usage without a stream", said(stream_options={"include_usage": True}), "stream_options",
     "should be set along with stream = true"),
    ("unanswered", said(USER, CALLED, USER), "call_unanswered", "must be followed by tool messages"),
    ("orphan", said(USER, RESULT), "result_orphan", "must be a response to a preceding message with 'tool_calls'"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rule", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_refused_in_the_vendors_words(body: dict[str, Any], rule: str, words: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(body)
    assert caught.value.rule == rule
    failure = DEEPSEEK.told(caught.value, "chat")
    assert failure.status == (422 if rule == "field_range" else 400)
    assert words in failure.message


async def test_the_body_of_an_error() -> None:
    async with simulated("deepseek") as client:
        got = await client.chat("hi", max_tokens=400_000)
        assert got.status == 422
        assert got.json == {
            "error": {
                "message": "Invalid max_tokens value, the valid range of max_tokens is [1, 393216]",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_request_error",
            }
        }
        assert (await client.messages("hi", max_tokens=400_000)).json == got.json
        unknown = await client.post(said() | {"model": "deepseek-chat"})
        assert (unknown.status, unknown.json["error"]["message"]) == (400, "Model Not Exist")


GOOD = [
    ("plain", said()),
    ("everything", said({"role": "system", "content": [TEXT]}, USER, thinking={"type": "enabled"}, max_tokens=393_216,
                        reasoning_effort="xhigh", stop=[str(i) for i in range(16)], stream=True, temperature=2, top_p=1,
                        stream_options={"include_usage": True}, user_id="a-b_C9", logprobs=True, top_logprobs=20,
                        frequency_penalty=1, presence_penalty=-2)),
    ("json", said({**USER, "content": "as JSON"}, response_format={"type": "json_object"})),
    ("128 tools", said(tools=[tool(name=f"f{i}") for i in range(128)])),
    ("choices", said(tools=[tool(strict=False)], tool_choice=NAMED)),
    ("null content beside calls", said(USER, CALLED, RESULT)),
    ("text parts in a result", said(USER, CALLED, {**RESULT, "content": [TEXT]})),
    ("the same id in another turn", said(USER, CALLED, RESULT, CALLED, RESULT)),
]  # fmt: skip


@pytest.mark.parametrize("body", [case[1] for case in GOOD], ids=[case[0] for case in GOOD])
def test_taken(body: dict[str, Any]) -> None:
    assert len(read(body).said) == len(body["messages"])


@pytest.mark.parametrize("choice", ["none", "auto", "required", NAMED], ids=str)
def test_all_four_tool_choices_are_taken(choice: Any) -> None:
    assert read(said(tools=[TOOL], tool_choice=choice)).tools


def test_pictures_are_for_the_models_that_see() -> None:
    body = said({**USER, "content": [IMAGE, TEXT]})
    assert read(body, "deepseek-flash").said
    assert read(body, "deepseek-v4-flash").said


def test_sampling_is_ignored_while_thinking_and_heeded_otherwise() -> None:
    assert read(said(temperature=1, presence_penalty=1)).ignored == (("presence_penalty", "1"), ("temperature", "1"))
    off = read(said(temperature=1, presence_penalty=1, thinking={"type": "disabled"}))
    assert (off.thinking, off.ignored) == (False, (("presence_penalty", "1"),))


# -- reasoning


@pytest.mark.parametrize("change", [None, "absent"])
async def test_a_turn_that_used_tools_keeps_its_reasoning_for_good(change: Any) -> None:
    async with simulated("deepseek") as client:
        turns = await history(client)
        last = (await client.chat(turns, tools=[SHELL])).json["choices"][0]["message"]
        turns += [last, {"role": "user", "content": "Say hello."}]
        assert (await client.chat(turns)).status == 200
        for place in (1, 3):
            broken = copy.deepcopy(turns)
            if change is None:
                broken[place]["reasoning_content"] = None
            else:
                del broken[place]["reasoning_content"]
            got = await client.chat(broken)
            assert got.status == 400
            assert got.json == {
                "error": {
                    "message": CHAT_WORDS,
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "invalid_request_error",
                }
            }
            assert (await client.chat(broken, thinking={"type": "disabled"})).status == 200
        assert rules(client) == ["reasoning_missing"] * 2


async def test_with_tools_on_offer_every_assistant_message_has_the_key() -> None:
    async with simulated("deepseek") as client:
        turns: list[dict[str, Any]] = [USER, {"role": "assistant", "content": "Hello!"}, USER]
        assert (await client.chat(turns)).status == 200
        assert (await client.chat(turns, tools=[SHELL])).status == 400
        turns[1]["reasoning_content"] = ""
        assert (await client.chat(turns, tools=[SHELL])).status == 200
        assert rules(client) == ["reasoning_missing"]


async def test_an_empty_string_passes_the_server_and_is_a_loss() -> None:
    async with simulated("deepseek") as client:
        turns = await history(client)
        turns[1]["reasoning_content"] = ""
        assert (await client.chat(turns, tools=[SHELL])).status == 200
        assert rules(client) == ["reasoning_dropped"]


async def test_reasoning_that_was_never_sent_is_no_loss() -> None:
    async with simulated("deepseek") as client:
        turns = await history(client, thinking={"type": "disabled"})
        turns[1]["reasoning_content"] = ""
        assert (await client.chat(turns, tools=[SHELL])).status == 200
        assert client.sim.verdict().ok


async def test_changed_reasoning_is_a_violation() -> None:
    async with simulated("deepseek") as client:
        turns = await history(client)
        turns[1]["reasoning_content"] = turns[1]["reasoning_content"].strip()
        assert (await client.chat(turns, tools=[SHELL])).status == 200
        assert rules(client) == ["reasoning_changed"]


async def test_messages_speaks_of_thinking_blocks() -> None:
    async with simulated("deepseek") as client:
        turns = await used(client)
        del turns[1]["content"][0]
        got = await client.messages(turns, tools=[USED], max_tokens=4000)
        assert (got.status, got.json["error"]["message"]) == (400, MESSAGES_WORDS)
        off = await client.messages(turns, tools=[USED], max_tokens=4000, thinking={"type": "disabled"})
        assert off.status == 200


# -- answers


async def test_usage_counts_hits_and_misses_and_comes_when_asked_for() -> None:
    async with simulated("deepseek") as client:
        long = "word " * 1000
        await client.chat(long)
        got = await client.chat(long, stream=True, stream_options={"include_usage": True})
        *chunks, last = got.chunks
        assert {chunk["usage"] for chunk in chunks} == {None}
        assert last["choices"] == []
        usage = last["usage"]
        assert usage["prompt_cache_hit_tokens"] > 1000
        assert usage["prompt_cache_hit_tokens"] + usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"]
        silent = await client.chat(long, stream=True)
        assert all("usage" not in chunk for chunk in silent.chunks)


async def test_reasoning_is_absent_when_thinking_is_off() -> None:
    async with simulated("deepseek") as client:
        got = await client.chat("hi", stream=True, thinking={"type": "disabled"})
        assert all("reasoning_content" not in delta for delta in got.deltas)
        on = await client.chat("hi", stream=True)
        assert on.deltas[0] == {"role": "assistant", "content": None, "reasoning_content": ""}


async def test_queued_requests_are_kept_alive() -> None:
    async with simulated("deepseek") as client:
        stream = await client.chat("hi [sim:manner=queued]", stream=True)
        assert stream.raw.startswith(b": keep-alive\n\n" * 3 + b"data: ")
        whole = await client.chat("hi [sim:manner=queued]")
        assert whole.raw.startswith(b"\n\n\n{")
        event = await client.messages("hi [sim:manner=queued]", stream=True, max_tokens=100)
        assert event.raw.startswith(b": keep-alive\n\n" * 3 + b"event: message_start")


async def test_the_end_for_want_of_resources() -> None:
    async with simulated("deepseek") as client:
        assert (await client.chat("hi [sim:fault=resource]", stream=True)).finish == "insufficient_system_resource"
        assert (await client.chat("hi [sim:fault=content_filter]", stream=True)).finish == "content_filter"
        assert b"no such end" in (await client.chat("hi [sim:fault=repetition]")).raw


async def test_both_addresses_and_the_model_list() -> None:
    async with simulated("deepseek") as client:
        assert (await client.post(said(), path="/v1/chat/completions")).status == 200
        assert (await client.post(said(), path="/chat/completions")).status == 200
        async with client.session.get(client.sim.url + "/models", headers=client.headers) as answer:
            listed = (await answer.json())["data"]
        assert {"deepseek-flash", "deepseek-v4-pro"} <= {row["id"] for row in listed}
        assert listed[0]["effort"] == {"supported_levels": ["low", "high", "max"], "default_level": "high"}


async def test_messages_fields() -> None:
    async with simulated("deepseek") as client:
        mark = {"cache_control": {"type": "ephemeral"}}
        taken = await client.messages(
            [{"role": "user", "content": [{"type": "text", "text": "hi", **mark}]}],
            max_tokens=100,
            thinking={"type": "enabled", "budget_tokens": 2048},
            output_config={"effort": "max"},
            tools=[USED],
            tool_choice={"type": "any"},
            metadata={"user_id": "u"},
            top_k=3,
        )
        assert taken.status == 200
        assert client.sim.verdict().ignored == {"top_k": 1, "cache_control": 1}
        for field in ({"output_config": {"effort": "medium"}}, {"context_management": {}}, {"temperature": 2.1}):
            assert (await client.messages("hi", max_tokens=100, **field)).status in (400, 422)
        document = [{"role": "user", "content": [{"type": "document", "source": {}}]}]
        refused = await client.messages(document, max_tokens=100)
        assert "unknown variant `document`, expected `text`" in refused.json["error"]["message"]
