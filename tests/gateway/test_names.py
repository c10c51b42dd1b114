"""What a name of a model leads to, seen from a client: near names for a stranger, a warning for a retired model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway.asgi import ROADS, Call, answered, body_for, chat, exchanges, make


@pytest.mark.case("J01")
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mino-v2.6-pro", "mimo-v2.6-pro"),
        ("fats", "fast"),
        ("deepseek-flsh", "DEEPSEEK_API_KEY"),
        ("quite-another-thing", "dragoman models list"),
    ],
)
async def test_an_unknown_name_is_refused_with_near_ones(tmp_path: Path, road: str, name: str, near: str) -> None:
    app = make(tmp_path, '[aliases]\nfast = "xiaomi:mimo-v2.6-flash"\n')
    call = await Call(app, ROADS[road], body_for(road, model=name)).run()
    assert call.status == 404
    assert near in call.error["message"]
    assert exchanges(app).exchanges == [], "it never goes to some default vendor"


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("name", ["mimo-v2-flash", "xiaomi:mimo-v2-flash", "xiaomi/mimo-v2-flash", "old"])
async def test_a_retired_model_is_called_with_a_warning_that_names_its_successor(
    tmp_path: Path, road: str, name: str
) -> None:
    app = make(tmp_path, '[aliases]\nold = "xiaomi:mimo-v2-flash"\n')
    call = await answered(app, road, chat("hi"), model=name)
    assert call.status == 200
    assert json.loads(exchanges(app).exchanges[-1].call.body)["model"] == "mimo-v2-flash"
    notes = json.loads(call.headers["x-dragoman-notes"])
    assert [note["code"] for note in notes].count("model_retired") == 1
    one = await Call(app, f"/v1/models/{name}", method="GET").run()
    assert (one.json["status"], one.json["successor"]) == ("retired", "mimo-v2.6-flash")
