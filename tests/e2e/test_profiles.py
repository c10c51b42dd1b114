"""The library in a tool loop against every strict profile: each vendor's rules are kept, on each protocol it serves."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import Answer, Client, Toolbox, tool
from dragoman.simulator import Verdict, running_simulator

KEY = "sk-sim"
TASK = "Run one shell command that writes the word blue into a file named sky.txt, then read it back."
THINKING = [
    ("minimax", "MiniMax-M3", "chat"),
    ("minimax", "MiniMax-M3", "messages"),
    ("minimax", "MiniMax-M2.7", "chat"),
    ("deepseek", "deepseek-v4-pro", "chat"),
    ("deepseek", "deepseek-v4-pro", "messages"),
    ("zhipu", "glm-5.3", "chat"),
    ("zhipu", "glm-5.2", "chat"),
    ("zhipu", "glm-5.2", "messages"),
    ("zhipu", "glm-4.6", "chat"),
    ("moonshot", "kimi-k3", "chat"),
    ("moonshot", "kimi-k3", "messages"),
    ("moonshot", "kimi-k2.6", "chat"),
    ("moonshot", "kimi-k2.7-code", "chat"),
    ("minimax", "MiniMax-M2.7", "responses"),
    ("zhipu", "glm-5.3", "responses"),
    ("zhipu", "glm-5.2", "responses"),
    ("zhipu", "glm-4.6", "responses"),
    ("moonshot", "kimi-k3", "responses"),
    ("moonshot", "kimi-k2.6", "responses"),
]


@tool
def exec_command(cmd: str) -> str:
    """Runs a shell command."""
    return "blue"


async def two_tasks(profile: str, model: str, manners: tuple[str, ...] = (), **options: Any) -> tuple[Answer, Verdict]:
    """Two tasks of two calls each in one conversation: six requests, and the witness's word on them."""
    tools = Toolbox([exec_command])
    history: list[Any] = [TASK]
    async with (
        running_simulator(profile, KEY, manners=manners) as sim,
        Client(api_keys={profile: KEY}, base_urls={profile: sim.url}) as client,
    ):
        for _ in range(6):
            async with client.stream(
                model=f"{profile}:{model}", messages=history, tools=tools, system="Be kind.", **options
            ) as stream:
                answer = await stream.reply()
            history += [answer, await tools.answer(answer.calls) if answer.calls else TASK]
        return answer, sim.verdict()


@pytest.mark.parametrize(("profile", "model", "wire"), THINKING)
async def test_two_tasks_break_no_rule(profile: str, model: str, wire: str) -> None:
    answer, verdict = await two_tasks(profile, model, wire=wire)
    assert verdict.violations == []
    # In the sixth request five earlier answers stand, in the fifth four, and so on: each with its own reasoning.
    assert (verdict.answered, verdict.reasoning_checked, verdict.placeholders) == (6, 15, 0)
    assert "sky.txt holds blue" in answer.text


@pytest.mark.parametrize("effort", ["none", "minimal", "medium", "max"])
@pytest.mark.parametrize(("profile", "model", "wire"), THINKING)
async def test_every_effort_is_put_into_words_that_are_taken(profile: str, model: str, wire: str, effort: str) -> None:
    answer, verdict = await two_tasks(profile, model, wire=wire, effort=effort)
    assert verdict.violations == []
    assert "sky.txt holds blue" in answer.text


@pytest.mark.parametrize(
    ("profile", "manners"),
    [
        ("minimax", ("cumulative",)),
        ("minimax", ("tail",)),
        ("minimax", ("cumulative", "tail")),
        ("minimax", ("repeat",)),
        ("deepseek", ("queued",)),
    ],
)
async def test_odd_manners_change_nothing(profile: str, manners: tuple[str, ...]) -> None:
    model = {"minimax": "MiniMax-M3", "deepseek": "deepseek-v4-pro"}[profile]
    answer, verdict = await two_tasks(profile, model, manners)
    assert verdict.violations == []
    assert verdict.reasoning_checked == 15
    assert answer.text == "done: sky.txt holds blue"
