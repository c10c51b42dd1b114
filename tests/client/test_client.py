"""The library over a real socket: streams, whole answers, cancellation, history that returns as it came, cost."""

from __future__ import annotations

import asyncio
import gc
import os
from decimal import Decimal
from typing import Any

import pytest

from dragoman import (
    ArgumentsDelta,
    Client,
    ConfigError,
    Failed,
    Finished,
    InvalidRequest,
    Message,
    ModelNotFound,
    Reasoning,
    RetryPolicy,
    Started,
    TextDelta,
    Timeouts,
    Toolbox,
    UpstreamError,
    parse_partial,
    tool,
)
from dragoman.client.aiohttp_transport import AiohttpTransport
from dragoman.client.engine import Engine
from dragoman.core.events import TERMINAL
from dragoman.core.messages import Media, Text
from tests.fakes import RESET, SSE, STALL, Answer, EventLog, ToyPlan, Upstream, json_answer, settle, sse
from tests.harness import cancel_at_every_step

KEY = "sk-test-4711471147114711"
MODEL = "xiaomi:mimo-v2.6-pro"


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "up_1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def usage(prompt: int = 3, output: int = 2) -> dict[str, Any]:
    counts = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    return {"id": "up_1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": counts}


def streamed(*chunks: Any) -> Answer:
    return Answer(*[sse(c, done=False) for c in chunks], b"data: [DONE]\n\n")


def whole_answer(content: str) -> dict[str, Any]:
    said = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return {"id": "up_1", "object": "chat.completion", "created": 1, "model": "m", "choices": [said]}


HELLO = (chunk(role="assistant", content=""), chunk(content="He"), chunk(content="llo"), chunk("stop"), usage())


@pytest.fixture
async def up():
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def client(up, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith("DRAGOMAN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    made = Client(
        api_keys={"xiaomi": KEY},
        base_urls={"xiaomi": up.url},
        retry=RetryPolicy(attempts=2, base=0.0),
        timeouts=Timeouts(5, 0, 0, 0),
    )
    async with made:
        yield made


@pytest.mark.req(10, 16)
async def test_a_stream_of_events(up, client):
    up.push(streamed(*HELLO))
    async with client.stream(model=MODEL, messages="hi") as stream:
        events = [event async for event in stream]
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "Hello"
    assert [type(e) for e in events if isinstance(e, TERMINAL)] == [Finished]
    answer = stream.answer()
    assert (answer.text, answer.usage and answer.usage.output) == ("Hello", 2)
    assert (answer.provider, answer.model_id, answer.error) == ("xiaomi", "mimo-v2.6-pro", None)
    assert up.requests[0].json()["messages"] == [{"role": "user", "content": "hi"}]
    assert up.requests[0].json()["stream"] is True


@pytest.mark.req(13)
async def test_the_message_so_far_holds_what_was_received(up, client):
    more = asyncio.Event()
    up.push(Answer(sse(chunk(content="He"), done=False), more, sse(chunk(content="llo"), chunk("stop"))))
    seen = []
    async with client.stream(model=MODEL, messages="hi") as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                seen.append(stream.message.text)
                more.set()
    assert seen == ["He", "Hello"]
    assert stream.message.text == "Hello"


@pytest.mark.req(55)
async def test_arguments_can_be_read_while_they_come(up, client):
    pieces = ['{"pa', 'th":"a', '.txt","lines":[1', ",2", "]}"]
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    rest = [chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in pieces]
    up.push(streamed(chunk(tool_calls=[first]), *rest, chunk("tool_calls")))
    text = ""
    seen = []
    async with client.stream(model=MODEL, messages="hi") as stream:
        async for event in stream:
            if isinstance(event, ArgumentsDelta):
                text += event.text
                seen.append(parse_partial(text))
    assert seen[0] == {} and seen[1] == {"path": "a"}
    assert seen[-1] == {"path": "a.txt", "lines": [1, 2]}
    assert parse_partial(stream.message.calls[-1].arguments) == seen[-1]


@pytest.mark.req(10, 16)
@pytest.mark.parametrize("broken", ["refused", "reset", "empty", "page"])
async def test_every_stream_has_one_start_and_one_end(up, client, broken):
    answers = {
        "refused": json_answer({"error": {"message": "no", "code": "400"}}, status=400),
        "reset": Answer(RESET),
        "empty": Answer(b""),
        "page": Answer(b"<html>"),
    }
    up.push(answers[broken], answers[broken])
    async with client.stream(model=MODEL, messages="hi") as stream:
        events = [event async for event in stream]
    assert type(events[0]) is Started
    assert [type(e) for e in events].count(Started) == 1
    assert [type(e) for e in events if isinstance(e, TERMINAL)] == [Failed] == [type(events[-1])]


@pytest.mark.req(20)
async def test_a_whole_answer_is_the_message_that_the_stream_builds(up, client):
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "hm"}
    counts = usage()["usage"]
    whole = {
        "id": "up_1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": counts,
    }
    up.push(json_answer(whole), streamed(chunk(reasoning_content="hm"), *HELLO))
    first = await client.complete(model=MODEL, messages="hi")
    second = await client.stream(model=MODEL, messages="hi").reply()
    assert "stream" not in up.requests[0].json() or up.requests[0].json()["stream"] is False

    def shape(answer: Any) -> Any:
        what = [(type(b), b.text) for b in answer.message.content]
        return what, answer.usage.output, answer.end.reason, answer.id, answer.model, answer.created

    assert shape(first) == shape(second) == ([(Reasoning, "hm"), (Text, "Hello")], 2, "stop", "up_1", "m", 1)


@pytest.mark.req(19, 109)
async def test_leaving_the_block_closes_the_connection(up, client):
    up.push(Answer(sse(chunk(content="He"), done=False), STALL))
    async with asyncio.timeout(1):
        async with client.stream(model=MODEL, messages="hi") as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
        await up.until(lambda: up.disconnects == 1)
    assert isinstance(stream.end, Failed)
    assert stream.end.error.kind == "aborted"
    assert stream.answer().text == "He"


@pytest.mark.req(19)
@pytest.mark.parametrize("way", ["reader", "reply", "complete"])
async def test_cancelling_closes_the_connection(up, client, way):
    up.push(Answer(sse(chunk(content="He"), done=False), STALL))
    stream = client.stream(model=MODEL, messages="hi")

    async def read() -> None:
        if way == "reader":
            async for _ in stream:
                pass
        elif way == "reply":
            await stream.reply()
        else:
            await client.complete(model=MODEL, messages="hi")

    task = asyncio.create_task(read())
    await up.until(lambda: len(up.requests) == 1)
    task.cancel()
    async with asyncio.timeout(1):
        await up.until(lambda: up.disconnects == 1)
    await asyncio.wait({task})
    assert task.cancelled()
    if way != "complete":
        assert isinstance(stream.end, Failed)


async def test_closing_the_client_ends_its_streams(up, client):
    up.push(Answer(sse(chunk(content="He"), done=False), STALL))
    stream = client.stream(model=MODEL, messages="hi")
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await client.close()
    await up.until(lambda: up.disconnects == 1)
    assert [type(event) async for event in stream][-1] is Failed


@pytest.mark.req(15, 18)
async def test_a_stream_never_raises_and_complete_does(up, client):
    for _ in range(2):
        up.push(Answer(sse(chunk(content="half"), done=False), RESET))
    async with client.stream(model=MODEL, messages="hi") as stream:
        events = [event async for event in stream]
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind == "network"
    assert stream.message.text == "half"
    with pytest.raises(UpstreamError) as caught:
        await client.complete(model=MODEL, messages="hi")
    assert caught.value.info.provider == "xiaomi"


@pytest.mark.req(98, 99, 102)
async def test_a_refused_key_is_an_auth_error_without_key_text(up, client):
    up.push(json_answer({"error": {"message": f"bad key {KEY}", "code": "401"}}, status=401))
    with pytest.raises(UpstreamError) as caught:
        await client.complete(model=MODEL, messages="hi")
    info = caught.value.info
    assert (info.kind, info.upstream_status, len(up.requests)) == ("auth", 401, 1)
    assert KEY not in repr(info)
    assert KEY not in repr(client.settings)


@pytest.mark.req(99)
async def test_an_overloaded_vendor_is_asked_again(up, client):
    up.push(json_answer({"error": {"message": "busy"}}, status=503), streamed(*HELLO))
    answer = await client.stream(model=MODEL, messages="hi").reply()
    assert answer.text == "Hello"
    assert [note.code for note in answer.notes if note.code == "retried"] == ["retried"]


async def test_history_returns_as_it_came(up, client):
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    up.push(
        streamed(
            chunk(reasoning_content="I "),
            chunk(reasoning_content="look\n"),
            chunk(tool_calls=[call]),
            chunk("tool_calls"),
        ),
        streamed(*HELLO),
    )

    @tool
    def look(a: int) -> str:
        return f"saw {a}"

    box = Toolbox([look])
    history: list[Any] = [{"role": "user", "content": "go"}]
    first = await client.stream(model=MODEL, messages=history, tools=box).reply()
    assert [c.name for c in first.calls] == ["look"]
    history += [first, await box.answer(first.calls)]
    second = await client.stream(model=MODEL, messages=history, tools=box).reply()
    assert second.text == "Hello"
    sent = up.requests[1].json()["messages"]
    assert sent[1]["reasoning_content"] == "I look\n"
    assert sent[1]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"a": 1}'}
    assert (sent[2]["role"], sent[2]["tool_call_id"], sent[2]["content"]) == ("tool", "call_1", "saw 1")
    assert up.requests[0].json()["messages"] == sent[:1]


async def test_options_reach_the_vendor(up, client):
    up.push(streamed(*HELLO))
    await client.stream(
        model=MODEL,
        messages=[Message("user", (Text("a"),)), {"role": "assistant", "content": "b"}, "c"],
        system="Be brief.",
        max_output_tokens=100,
        effort="none",
        stop="END",
    ).reply()
    body = up.requests[0].json()
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("system", "Be brief."),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]
    assert body["max_completion_tokens"] == 100
    assert body["thinking"] == {"type": "disabled"}
    assert body["stop"] in ("END", ["END"])


@pytest.mark.req(65)
async def test_extra_body_is_merged_deeply_and_cannot_reach_the_key(up, client):
    up.push(streamed(*HELLO))
    await client.stream(
        model=MODEL,
        messages="hi",
        effort="none",
        extra_body={"thinking": {"more": 1}, "headers": {"Authorization": "Bearer other"}},
    ).reply()
    assert up.requests[0].json()["thinking"] == {"type": "disabled", "more": 1}
    assert up.requests[0].body.count(b'"thinking"') == 1
    carried = [v for n, v in up.requests[0].headers.items() if n in ("authorization", "api-key", "x-api-key")]
    assert len(carried) == 1
    assert carried[0].endswith(KEY)


@pytest.mark.parametrize("strict", [False, True])
async def test_a_malformed_usage_report(up, client, strict):
    broken = {**usage(), "usage": {"prompt_tokens": "many", "completion_tokens": []}}
    up.push(streamed(*HELLO[:-1], broken))
    answer = await client.stream(model=MODEL, messages="hi", strict_usage=strict).reply()
    if strict:
        assert answer.error is not None
        assert answer.error.code == "malformed_usage"
    else:
        assert answer.error is None
        assert "usage_unknown" in [note.code for note in answer.notes]


async def test_what_an_answer_cost(up, client):
    up.push(streamed(*HELLO[:-1], usage(1_000_000, 1_000_000)), streamed(*HELLO[:-1]))
    answer = await client.stream(model=MODEL, messages="hi").reply()
    cost = client.cost(answer)
    assert cost == answer.cost
    assert cost.amount is not None
    assert cost.amount > Decimal(0)
    unknown = client.cost(await client.stream(model=MODEL, messages="hi").reply())
    assert unknown.amount is None, "a count that is unknown is not 0"


@pytest.mark.req(144)
async def test_the_service_tier_that_was_asked_for_is_priced(up, client, tmp_path):
    async with Client(
        api_keys={"minimax": KEY}, base_urls={"minimax": up.url}, timeouts=Timeouts(5, 0, 0, 0)
    ) as minimax:
        amounts = []
        for params in ({}, {"service_tier": "priority"}):
            up.push(streamed(*HELLO[:-1], usage(1000, 1000)))
            answer = await minimax.stream(model="MiniMax-M3", messages="hi", params=params).reply()
            assert up.requests[-1].json().get("service_tier") == params.get("service_tier")
            assert answer.cost is not None
            amounts.append(answer.cost.amount)
            assert minimax.cost(answer) == answer.cost
    assert amounts == [Decimal("0.0015"), Decimal("0.00225")]


async def test_a_reader_that_falls_behind_holds_the_vendor_back(up, client):
    many = [sse(*[chunk(content="x" * 200)] * 400, done=False) for _ in range(60)]
    up.push(Answer(*many, sse(chunk("stop"))))
    stream = client.stream(model=MODEL, messages="hi")
    first = await anext(aiter(stream))
    assert first is not None
    await settle(200)
    assert stream.end is None
    assert len(stream.message.text) < 200 * 400 * 60
    text = sum([len(event.text) async for event in stream if isinstance(event, TextDelta)])
    assert text == 200 * 400 * 60


# -- what is wrong is said before any call


@pytest.mark.parametrize(
    ("ask", "error", "told"),
    [
        ({"messages": []}, InvalidRequest, "messages is empty"),
        ({"messages": [3]}, InvalidRequest, r"messages\[0\] is a int"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, InvalidRequest, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": object()}]}, InvalidRequest, "JSON"),
        ({"messages": "x", "tools": [3]}, InvalidRequest, r"tools\[0\] is a int"),
        ({"messages": "x", "tool_choice": "fly"}, InvalidRequest, "tool_choice names 'fly'"),
        ({"messages": "x", "effort": "huge"}, InvalidRequest, "no effort 'huge'"),
        ({"messages": "x", "temprature": 1}, InvalidRequest, "no option 'temprature'"),
        ({"messages": "x", "model": "mino-v2.6-pro"}, ModelNotFound, "mimo-v2.6-pro"),
        ({"messages": "x", "model": "deepseek:deepseek-chat"}, ConfigError, "DEEPSEEK_API_KEY"),
    ],
)
async def test_what_is_wrong_is_said_at_once(up, client, ask, error, told):
    with pytest.raises(error, match=told):
        client.stream(**{"model": MODEL, **ask})
    assert up.requests == []


@pytest.mark.req(117)
async def test_two_tools_of_one_name_are_refused(client):
    def f() -> str:
        return ""

    spec = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    with pytest.raises(InvalidRequest, match="two tools are named 'f'"):
        client.stream(model=MODEL, messages="x", tools=[f, spec])


async def test_settings_and_keys_by_hand_exclude_each_other(client):
    with pytest.raises(ConfigError, match="either"):
        Client(settings=client.settings, api_keys={"xiaomi": "x"})
    async with Client(settings=client.settings) as other:
        assert other.settings is client.settings


async def test_the_catalogue_tells_which_models_are_ready(client):
    ready = client.models.list(ready=True)
    assert ready
    assert {status.row.facts.provider for status in ready} == {"xiaomi"}
    asleep = client.models.list(ready=False)
    assert len(client.models.list()) == len(ready) + len(asleep)
    status = client.models.get("mimo-v2.6-pro")
    assert (status.name, status.ready) == (MODEL, True)
    assert "MIMO_API_KEY" in status.key_env
    with pytest.raises(ModelNotFound):
        client.models.get("no-such-model-anywhere")


# -- law 12 on sockets


@pytest.mark.req(139)
async def test_cancelled_at_any_step_no_connection_stays(up):
    transport = AiohttpTransport()
    logs: list[EventLog] = []

    def script() -> Answer:
        return Answer(sse({"text": "a"}, done=False), sse({"text": "b"}, {"stop": "stop"}), headers=SSE)

    up.always = script

    async def one(k: int) -> None:
        logs.append(EventLog())
        await Engine(transport, retry=RetryPolicy(attempts=1)).run(ToyPlan(up.url), logs[-1])

    async def check(k: int, cancelled: bool) -> None:
        if transport.under_way:
            # the connection of a finished stream is being drained for reuse
            assert logs[-1].names[-1] == "Finished"
            while transport.under_way:
                await asyncio.sleep(0)
        assert transport.under_way == 0
        if logs[-1].batches or not cancelled:
            assert logs[-1].ends == 1, (k, logs[-1].names)

    rounds = await cancel_at_every_step(one, check)
    await transport.close()
    gc.collect()
    assert rounds > 3
    assert logs[-1].names[-1] == "Finished"


# -- the form of the answer, and media


async def test_a_format_as_a_dict_is_read_as_the_chat_protocols(up, client):
    up.push(json_answer({**whole_answer("{}")}), json_answer({**whole_answer('{"a":1}')}))
    await client.complete(model=MODEL, messages="in JSON", response_format={"type": "json_object"})
    assert up.requests[0].json()["response_format"] == {"type": "json_object"}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    answer = await client.complete(model=MODEL, messages="hi", response_format=form)
    assert answer.text == '{"a":1}'
    assert '"required"' in str(up.requests[1].json()["messages"][0]["content"])


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"type": "yaml"}, "response_format.type"),
        ({"type": "json_schema"}, "response_format.json_schema"),
        ("yaml", "response_format"),
        (["json_object"], "response_format"),
        (dict, "response_format"),
        ({"type": object()}, "response_format"),
    ],
)
async def test_a_format_that_is_none_is_refused_by_its_name(up, client, form, param):
    with pytest.raises(InvalidRequest) as error:
        await client.complete(model=MODEL, messages="hi", response_format=form)
    assert error.value.info.param == param
    assert up.requests == []


@pytest.mark.req(64)
async def test_media_that_the_model_cannot_take(up, client):
    picture = Message("user", (Text("see"), Media("image", url="https://example.org/a.png")))
    blind = "xiaomi:mimo-v2.5-pro"
    with pytest.raises(InvalidRequest, match="does not take an image"):
        client.stream(model=blind, messages=[picture])
    with pytest.raises(InvalidRequest, match="media_unsupported"):
        client.stream(model=blind, messages=[picture], media_unsupported="maybe")
    up.push(json_answer(whole_answer("ok")))
    answer = await client.complete(model=blind, messages=[picture], media_unsupported="note")
    assert "media_dropped" in {note.code for note in answer.notes}
    assert "left out" in up.requests[0].json()["messages"][0]["content"]


async def test_bad_data_in_a_message_of_ones_own(client):
    with pytest.raises(InvalidRequest) as error:
        client.stream(model=MODEL, messages=[Message("user", (Text("see"), Media("image", data="no base64")))])
    assert error.value.info.param == "messages[0].content[1].data"
