"""The scripted model uses the tools that clients really offer, and says what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.simulator.ask import Ask, Call, Offered, Said
from dragoman.simulator.brain import Turn, decide, read_job, task
from dragoman.simulator.directives import Directive

MARKER = (
    "Run one shell command that writes the word made-by-tool into a file named marker.txt in the current directory, "
    "then reply with one sentence."
)
TWO = (
    "Run one shell command that writes the word made-by-tool into a file named marker.txt in the current directory, "
    "then read the file back with a second command, then reply with one sentence."
)


def offered(name: str, required: list[str] | None = None, **properties: Any) -> Offered:
    keys = list(properties) if required is None else required
    return Offered(name, "", {"type": "object", "properties": properties, "required": keys})


STRING = {"type": "string"}
LINES = {"type": "array", "items": STRING}
CODEX = (
    offered("update_plan", plan={"type": "array"}),
    offered("write_stdin", session_id={"type": "number"}),
    offered("exec_command", ["cmd"], cmd=STRING, login={"type": "boolean"}),
    offered("get_goal"),
)
CLAUDE = (
    offered("Agent", prompt=STRING),
    offered("Bash", ["command"], command=STRING, description=STRING),
    offered("Write", file_path=STRING, content=STRING),
)


def ask(*said: Said, tools: tuple[Offered, ...] = (), **fields: Any) -> Ask:
    return Ask("chat", "m", said, tools=tools, **fields)


def turn(asked: Ask, **directive: Any) -> Turn:
    return decide(asked, Directive(**directive), 7)


def arguments(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call.arguments)
    return found


WRITES = "printf '%s\\n' made-by-tool > marker.txt"


@pytest.mark.parametrize(
    ("tools", "name", "expected"),
    [
        (CODEX, "exec_command", {"cmd": WRITES}),
        (CLAUDE, "Bash", {"command": WRITES}),
        ((offered("shell", command=LINES),), "shell", {"command": ["bash", "-lc", WRITES]}),
        ((offered("local_shell", command=LINES, env={"type": "object"}),), "local_shell", {"command": ["bash", "-lc", WRITES], "env": {}}),
        ((offered("shell", commands=LINES),), "shell", {"commands": [WRITES]}),
        ((offered("functions__bash", command=STRING),), "functions__bash", {"command": WRITES}),
        ((offered("write", path=STRING, content=STRING),), "write", {"path": "marker.txt", "content": "made-by-tool"}),
        ((offered("apply_patch", input=STRING),), "apply_patch", {"input": "*** Begin Patch\n*** Add File: marker.txt\n+made-by-tool\n*** End Patch\n"}),
        ((offered("note_down", note=STRING, loud={"type": "boolean"}),), "note_down", {"note": "made-by-tool", "loud": False}),
    ],
)  # fmt: skip
def test_one_call_with_whatever_tool_there_is(tools: tuple[Offered, ...], name: str, expected: dict[str, Any]) -> None:
    made = turn(ask(Said("user", MARKER), tools=tools))
    assert [call.name for call in made.calls] == [name]
    assert arguments(made.calls[0]) == expected
    assert made.reasoning.startswith("Pensée 7 思考")
    assert made.text == ""


def loop(text: str, tools: tuple[Offered, ...], answers: list[str]) -> tuple[list[Call], str]:
    said = [Said("user", text)]
    calls: list[Call] = []
    for answer in answers:
        made = turn(ask(*said, tools=tools))
        calls += made.calls
        said += [Said("assistant", calls=made.calls), Said("tool", results=((made.calls[0].id, answer),))]
    final = turn(ask(*said, tools=tools))
    assert final.calls == ()
    return calls, final.text


def test_one_call_then_the_result_in_words() -> None:
    calls, text = loop(MARKER, CLAUDE, [""])
    assert len(calls) == 1
    assert text == "done: marker.txt holds made-by-tool"


def test_two_calls_where_the_task_wants_it_read_back() -> None:
    calls, text = loop(TWO, CODEX, ["", "made-by-tool"])
    assert [arguments(call)["cmd"] for call in calls] == [WRITES, "cat marker.txt"]
    assert text == "done: marker.txt holds made-by-tool"


def test_a_failed_tool_is_told() -> None:
    _, text = loop(MARKER, CLAUDE, ["error: permission denied"])
    assert text == "The tool reported a problem: error: permission denied"


def test_the_named_tool_wins() -> None:
    tools = (*CLAUDE, offered("write_marker", word=STRING))
    made = turn(ask(Said("user", 'Use the write_marker tool once with word "blue-sky".'), tools=tools))
    assert made.calls[0].name == "write_marker"
    assert arguments(made.calls[0]) == {"word": "blue-sky"}


def test_any_function_is_filled_from_its_schema() -> None:
    weather = offered(
        "get_weather",
        location=STRING,
        unit={"enum": ["celsius", "fahrenheit"]},
        days={"type": "integer", "minimum": 2},
        tags=LINES,
        place={"$ref": "#/$defs/p"},
        maybe={"anyOf": [{"type": "null"}, {"type": "number"}]},
    )
    weather.schema["$defs"] = {"p": {"type": "object", "properties": {"city": STRING}, "required": ["city"]}}
    made = turn(ask(Said("user", "What is the weather in Ulm?"), tools=(weather,)))
    assert arguments(made.calls[0]) == {
        "location": "Ulm", "unit": "celsius", "days": 2, "tags": ["made-by-tool"], "place": {"city": "Ulm"}, "maybe": 1,
    }  # fmt: skip


def test_numbers_are_taken_from_the_task() -> None:
    add = offered("add", a={"type": "number"}, b={"type": "number"})
    made = turn(ask(Said("user", "Use the add function for 2 and 40"), tools=(add,)))
    assert arguments(made.calls[0]) == {"a": 2, "b": 40}


def test_parallel_calls_have_their_own_ids_and_arguments() -> None:
    made = turn(ask(Said("user", MARKER + " Make two in parallel."), tools=CLAUDE))
    assert len({call.id for call in made.calls}) == 2
    assert len({call.arguments for call in made.calls}) == 2
    fixed = turn(ask(Said("user", MARKER + " Make two in parallel."), tools=CLAUDE), fixed_ids=True)
    assert [call.id for call in fixed.calls] == ["call_0", "call_1"]


def test_talk_needs_no_tool() -> None:
    made = turn(ask(Said("user", "Say hello."), tools=CODEX))
    assert made.calls == ()
    assert "Hello" in made.text


def test_code_mode_is_answered_in_code() -> None:
    """Codex gives some models one tool that runs JavaScript (0.169.0, November 2026)."""
    tool = Offered("functions__exec", "Run JavaScript code to compose tool calls", offered("x", input=STRING).schema)
    (made,) = turn(ask(Said("user", MARKER), tools=(tool,))).calls
    code = arguments(made)["input"]
    assert code.startswith("const done = await tools.exec_command(")
    assert json.loads(code.partition("(")[2].partition(");")[0]) == {"cmd": WRITES}
    assert "text(done.output)" in code


@pytest.mark.parametrize(
    "words",
    ["You are performing a CONTEXT CHECKPOINT COMPACTION. Write", "Your task is to create a detailed summary of"],
)
def test_a_summary_tells_what_was_said_and_calls_nothing(words: str) -> None:
    said = (
        Said("user", MARKER),
        Said("assistant", "done: it is there"),
        Said("user", f"{words} the conversation so far."),
    )
    got = turn(ask(*said, tools=CLAUDE))
    assert got.calls == ()
    assert "done: it is there" in got.text
    assert words not in got.text
    tagged = Said("user", f"{words} the conversation, a <summary> block.")
    assert turn(ask(*said[:2], tagged, tools=CLAUDE)).text.endswith("done: it is there</summary>")


def test_a_search_is_made_with_the_function_for_it() -> None:
    search = offered("web_search", query=STRING)
    asks = Said("user", "Perform a web search for the query: xiaomi mimo")
    (made,) = turn(ask(asks, tools=(search,))).calls
    assert made.name == "web_search"
    assert arguments(made)["query"]
    asks = Said("user", "Search the web for news.")
    assert [c.name for c in turn(ask(asks, tools=(*CODEX, search))).calls] == ["web_search"]
    assert [c.name for c in turn(ask(Said("user", MARKER), tools=(search, *CODEX))).calls] == ["exec_command"]


def test_no_thinking_when_it_is_off() -> None:
    assert turn(ask(Said("user", "Say hello."), thinking=False)).reasoning == ""


def test_what_clients_put_around_the_task_is_not_the_task() -> None:
    said = (
        Said("user", "# AGENTS.md instructions for here\n\n<INSTRUCTIONS>Run tests</INSTRUCTIONS>"),
        Said("user", "<environment_context><cwd>/x</cwd></environment_context>"),
        Said("user", MARKER),
        Said("assistant", calls=(Call("f", "{}", "c"),)),
        Said("tool", results=(("c", "ok"),)),
        Said("user", "<system-reminder>Use your tools</system-reminder>"),
    )
    text, _, index = task(said)
    assert (text, index) == (MARKER, 2)


def test_the_last_part_of_a_message_is_the_task() -> None:
    """Gateways put messages together where the roles must alternate."""
    old = "Run `seq 9`, then say what you did."
    said = (Said("user", old + MARKER, parts=(old, MARKER, "<system-reminder>Write less</system-reminder>")),)
    assert task(said)[0] == MARKER


def test_an_answered_task_is_closed() -> None:
    said = (Said("user", MARKER), Said("assistant", "done"), Said("user", "Say hello."))
    assert task(said)[0] == "Say hello."


@pytest.mark.parametrize(
    ("text", "word", "file"),
    [
        (MARKER, "made-by-tool", "marker.txt"),
        ('Create a file called notes/a.md containing "hello there"', "hello there", "notes/a.md"),
        ("Write the word `sun` into sky.txt", "sun", "sky.txt"),
        ("Make a file hello.py that says 'hi'", "hi", "hello.py"),
    ],
)
def test_word_and_file_are_read_from_the_task(text: str, word: str, file: str) -> None:
    job = read_job(text)
    assert (job.word, job.file) == (word, file)


def test_json_answers_fit_the_schema_in_the_prompt() -> None:
    schema = '{"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}, "required": ["name", "n"]}'
    asked = ask(Said("user", "Give me JSON about 5 things"), json=True, system=f"Answer with JSON: {schema} only")
    assert json.loads(turn(asked).text) == {"name": "made-by-tool", "n": 5}
    with pytest.raises(json.JSONDecodeError):
        json.loads(turn(asked, fault="bad_schema").text)


def test_long_answers() -> None:
    assert len(turn(ask(Said("user", "x")), words=300).text.split()) >= 300
