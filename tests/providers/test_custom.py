"""A provider of the person's own on a known vendor's host, or with its profile, is the vendor in everything but name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.catalog import resolve
from dragoman.config import load
from dragoman.core.events import Event, Failed
from dragoman.core.messages import Message, Text
from dragoman.core.request import ReasoningAsk, Request
from dragoman.providers import Plan, Target, plan
from dragoman.wire.upstream_errors import stream_error

REASON = "The reasoning_content in the thinking mode must be passed back to the API."


def planned(tmp_path: Path, provider: str, model: str, config: str = "") -> Plan:
    file = tmp_path / "my.toml"
    file.write_text(config)
    keys = {"MINIMAX_API_KEY": "k-12345", "ZHIPU_API_KEY": "k-12345", "MIMO_API_KEY": "k-12345"}
    settings = load(file, {"HOME": str(tmp_path), **keys})
    found = resolve(f"{provider}:{model}", settings.catalogue(), enabled=[provider])
    request = Request("m", (Message("user", (Text("hi"),)),), temperature=5.0, reasoning=ReasoningAsk(effort="high"))
    return plan(request, Target(found.provider, found.model, "k-12345"))


def stage_end(made: Plan, events: list[Event]) -> Event:
    """How a stream that ends so is told to the client."""
    for stage in made.stages():
        events = stage.feed(events)
    return events[-1]


CODED = ("minimax", "zhipu")
"""Vendors whose failures inside of a stream are known by a number."""
HOSTS = [
    ("minimax", "MiniMax-M2.5", 'base_url = "https://api.minimax.io/v1"'),
    ("minimax", "MiniMax-M2.5", 'base_url = "https://proxy.example/v1"\nprofile = "minimax"'),
    ("zhipu", "glm-5", 'base_url = "https://proxy.example/v1"\nprofile = "zhipu"'),
    ("xiaomi", "mimo-v2.6-pro", 'base_url = "https://api.xiaomimimo.com/v1"'),
    ("xiaomi", "mimo-v2.6-pro", 'base_url = "https://proxy.example/v1"\nprofile = { base = "xiaomi" }'),
]


@pytest.mark.req(59)
@pytest.mark.parametrize(("vendor", "model", "table"), HOSTS)
def test_the_same_request_is_shaped_and_its_error_read_as_by_the_vendor(
    tmp_path: Path, vendor: str, model: str, table: str
) -> None:
    own = planned(tmp_path, vendor, model)
    mine = planned(tmp_path, "mine", model, f'[providers.mine]\napi_key = "k-12345"\n{table}')
    assert json.loads(mine.body) == json.loads(own.body)
    body = json.dumps({"error": {"code": "400", "message": "Param Incorrect", "param": REASON, "type": ""}}).encode()
    theirs, ours = own.error(400, {}, body), mine.error(400, {}, body)
    assert (ours.kind, ours.code, ours.param, ours.message) == (theirs.kind, theirs.code, theirs.param, theirs.message)
    assert (ours.code == "reasoning_missing") is (vendor == "xiaomi")
    said = stream_error({"error": {"code": "1308", "message": "the plan is used up (2056)"}})
    assert said is not None
    ends = [stage_end(one, [Failed(said)]) for one in (own, mine)]
    assert ends[0] == ends[1], "in a stream as well"
    assert (isinstance(ends[0], Failed) and ends[0].error.kind == "billing") is (vendor in CODED)


@pytest.mark.req(59)
def test_an_explicit_profile_wins_over_the_host(tmp_path: Path) -> None:
    table = (
        '[providers.mine]\nbase_url = "https://api.minimax.io/v1"\nprofile = "openai-compatible"\napi_key = "k-1234"'
    )
    assert "reasoning_split" not in json.loads(planned(tmp_path, "mine", "MiniMax-M2.5", table).body)
    assert json.loads(planned(tmp_path, "minimax", "MiniMax-M2.5").body)["reasoning_split"] is True
