"""Who may ask, what is refused at the door, and how errors look."""

from __future__ import annotations

import pytest

from dragoman.simulator import Simulator
from dragoman.simulator.doors import loopback_name
from tests.simulator.conftest import KEY, Client

BODY = {"model": "mimo-v2.6-pro", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"api-key": KEY, "Authorization": f"Bearer {KEY}"},
        {"x-api-key": KEY},
        {"Authorization": KEY},
        {"api-key": "sk-other"},
        {"Authorization": "Bearer "},
    ],
)
async def test_wrong_keys_are_401(client: Client, sim: Simulator, headers: dict[str, str]) -> None:
    got = await client.post(BODY, headers=headers)
    assert got.status == 401
    assert got.json["error"]["code"] == "401"
    assert [v.rule for v in sim.violations] == ["auth"]


@pytest.mark.parametrize("headers", [{"api-key": KEY}, {"Authorization": f"Bearer {KEY}"}])
async def test_each_of_the_two_headers_is_taken(client: Client, sim: Simulator, headers: dict[str, str]) -> None:
    assert (await client.post(BODY, headers=headers)).status == 200
    assert sim.violations == []


@pytest.mark.req(145)
async def test_foreign_hosts_and_web_pages_are_refused(client: Client, sim: Simulator) -> None:
    assert (await client.post(BODY, headers={"api-key": KEY, "Host": "evil.example"})).status == 421
    assert (await client.post(BODY, headers={"api-key": KEY, "Origin": "null"})).status == 403
    assert (await client.post(BODY, headers={"api-key": KEY, "Origin": "http://127.0.0.1:1"})).status == 403
    async with client.session.get(sim.url + "/_sim/log", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421
    assert sim.requests == []


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost:3725", True), ("127.0.0.1", True), ("127.9.9.9:1", True), ("[::1]:80", True), ("LOCALHOST", True),
        ("", False), ("127.0.0.1.evil.example", False), ("10.0.0.1", False), ("localhost.evil.example", False),
    ],
)  # fmt: skip
def test_loopback_names(host: str, ours: bool) -> None:
    assert loopback_name(host) is ours


@pytest.mark.parametrize(
    ("model", "message"),
    [("mimo-v9", "Model not found"), ("mimo-v2-flash", "Unsupported model"), ("MiMo-V2.6-Pro", "")],
)
async def test_unknown_models_are_404(client: Client, sim: Simulator, model: str, message: str) -> None:
    got = await client.post({**BODY, "model": model})
    assert got.status == 404
    assert message in got.json["error"]["message"]
    assert [v.rule for v in sim.violations] == ["model"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_bodies_that_are_no_object(client: Client, sim: Simulator, body: bytes) -> None:
    got = await client.post(body)
    assert got.status == 400
    assert [v.rule for v in sim.violations] == ["json"]


async def test_wrong_paths_are_violations(client: Client, sim: Simulator) -> None:
    assert (await client.post(BODY, path="/v1/v1/chat/completions")).status == 404
    assert [v.rule for v in sim.violations] == ["path"]


async def test_the_model_list(client: Client, sim: Simulator) -> None:
    async with client.session.get(sim.url + "/v1/models", headers={"api-key": KEY}) as answer:
        listed = await answer.json()
    assert listed["object"] == "list"
    assert {"id": "mimo-v2.6-pro", "object": "model", "owned_by": "xiaomi"} in listed["data"]
    async with client.session.get(sim.url + "/v1/models") as answer:
        assert answer.status == 401


async def test_the_log_hides_keys(client: Client, sim: Simulator) -> None:
    await client.post(BODY)
    async with client.session.get(sim.url + "/_sim/log") as answer:
        text = await answer.text()
    assert KEY not in text
    assert sim.requests[0].headers["api-key"] == "(hidden)"
    assert sim.requests[0].body == BODY


async def test_forced_tool_choice_is_taken_and_recorded(client: Client, sim: Simulator) -> None:
    assert (await client.post({**BODY, "tool_choice": "required", "temperature": 0.1})).status == 200
    assert [(v.rule, v.status) for v in sim.violations] == [("tool_choice", 200)]
    assert sim.verdict().ignored == {"temperature": 1}
