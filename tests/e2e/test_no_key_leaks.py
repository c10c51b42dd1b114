"""No key in any output: errors that echo it, logs, and every command that shows settings or plans."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.endpoints import ENDPOINTS, ask
from tests.e2e.programs import clean_environment
from tests.e2e.world import Answer, chunk, world

KEY = "sk-test/key+1234567890=="
FORMS = (KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode(), KEY.replace("/", "\\/"))

pytestmark = pytest.mark.req(102)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("form", FORMS)
async def test_an_upstream_that_echoes_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], endpoint: str, stream: bool, form: str
) -> None:
    async with world("[retry]\nattempts = 1\n", tmp=tmp_path, env={"MIMO_API_KEY": KEY}) as w:
        said = {"error": {"message": f"the key {form} is not good", "code": "400", "param": form, "type": ""}}
        w.upstream.push(Answer(status=400, json=said))
        refused = await ask(w, endpoint, stream=stream)
        w.upstream.push(Answer.stream(chunk(content="part"), said))
        broken = await ask(w, endpoint, stream=True)
        assert f"authorization: Bearer {KEY}".lower() in w.upstream.heads[0].lower() or KEY in w.upstream.heads[0]
    logged = capsys.readouterr()
    seen = (
        refused.body
        + broken.body
        + repr((refused.headers, broken.headers)).encode()
        + (logged.out + logged.err).encode()
    )
    assert refused.status == 400
    assert b"is not good" in refused.body
    for one in FORMS:
        assert one.encode() not in seen


@pytest.mark.parametrize(
    "command",
    [
        ["config", "show"],
        ["config", "check"],
        ["models", "list", "--json"],
        ["models", "show", "xiaomi:mimo-v2.6-pro"],
        ["explain", "--endpoint", "chat", "-", "--json"],
        ["explain", "--endpoint", "chat", "-"],
        ["exec", "-p", "hi", "-m", "xiaomi:mimo-v2.6-pro", "--output", "jsonl"],
    ],
    ids=" ".join,
)
def test_no_command_shows_the_key(tmp_path: Path, command: list[str]) -> None:
    env = clean_environment(
        MIMO_API_KEY=KEY, MIMO_BASE_URL="http://127.0.0.1:9/v1", DRAGOMAN_HOME=str(tmp_path), DRAGOMAN_API_KEY=KEY
    )
    body = '{"model": "xiaomi:mimo-v2.6-pro", "messages": [{"role": "user", "content": "hi"}]}'
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", *command],
        env=env,
        input=body,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout + done.stderr
    for one in FORMS:
        assert one not in done.stdout + done.stderr
