"""The programs of the README and of docs/ are run, and print what the page says."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import Answer, Upstream, json_answer, sse

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "library.md"
PROGRAMS = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def title(program: tuple[str, str]) -> str:
    """The heading that the program stands under."""
    before = PAGE.read_text(encoding="utf-8").partition(program[0])[0]
    return str(re.findall(r"^## (.*)$", before, re.M)[-1])


def answer(body: dict[str, Any]) -> Answer:
    """A small model: greets, calls its tool once, thinks when told to."""
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    message: dict[str, Any] = {"role": "assistant", "content": "Hello, world."}
    finish = "stop"
    last = body["messages"][-1]
    if last["role"] == "tool":
        message["content"] = f"It is {last['content']}."
    elif body.get("tools"):
        function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"city": "Rome"}'}
        message = {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        }
        finish = "tool_calls"
    base = {"id": "a1", "created": 1, "model": body["model"]}
    if not body.get("stream"):
        return json_answer(
            {**base, "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}
        )

    def chunk(delta: dict[str, Any], end: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}

    texts = [chunk({"content": "Hello,"}), chunk({"content": " world."}), chunk({}, "stop")]
    return Answer(sse(chunk({"reasoning_content": "Greet them."}), *texts, {**base, "choices": [], "usage": usage}))


async def printed(code: str, tmp_path: Path) -> str:
    """What the program prints, run as a person would; nothing goes to standard error."""
    async with Upstream() as up:
        up.always = lambda: answer(up.requests[-1].json())
        kept = {n: v for n, v in os.environ.items() if n in ("PATH", "LANG", "SYSTEMROOT", "PYTHONPATH")}
        env = {**kept, "HOME": str(tmp_path), "MIMO_API_KEY": "sk-docs-0123456789", "MIMO_BASE_URL": up.url}
        pipe = asyncio.subprocess.PIPE
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", code, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe
        )
        out, err = await made.communicate()
    assert err.decode() == ""
    assert made.returncode == 0
    return out.decode()


@pytest.mark.parametrize("program", PROGRAMS, ids=title)
async def test_the_pages_programs_do_what_they_say(program, tmp_path):
    code, expected = program
    assert await printed(code, tmp_path) == expected


async def test_the_first_program_of_the_readme_runs(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    text, tokens, cost = (await printed(code, tmp_path)).rsplit(maxsplit=2)
    assert (text, tokens) == ("Hello, world.", "12")
    assert float(cost) > 0


async def test_the_simulators_example_runs(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8"), re.S)
    start, _, rest = code.partition("\n\n")
    inner = "".join(f"    {line}\n" for line in rest.splitlines())
    out = await printed(f"import asyncio\n{start}\nasync def main():\n{inner}asyncio.run(main())", tmp_path)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ \[\] \[\]\n", out)


def test_every_program_of_the_page_is_run():
    assert PAGE.read_text(encoding="utf-8").count("```python") == len(PROGRAMS) >= 6
