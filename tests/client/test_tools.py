"""Functions as tools: the schema they get, and that nothing a model or a function does gets out of a call."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import threading
from typing import Annotated, Any, Literal

import pytest
from dirty_equals import IsStr

from dragoman import InvalidRequest, Media, Text, Toolbox, ToolCall, tool
from dragoman.client.tools import FunctionTool
from dragoman.client.validation import faults, path


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


@dataclasses.dataclass
class Place:
    name: str
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Tree:
    children: list[Tree]


@tool
def weather(
    place: Place,
    unit: Unit,
    days: Annotated[int, "How many days ahead"] = 1,
    mode: Literal["short", "long"] = "short",
    note: str | None = None,
    extra: dict[str, float] | None = None,
) -> str:
    """Tells the weather.

    It is often wrong.

    Args:
        place: Where, with
            its tags.
        unit (Unit): Scale.
        days: never read, Annotated wins

    Returns:
        A sentence: sunny.
    """
    return f"{place.name}/{place.tags} {unit.name} {days} {mode} {note} {extra}"


@pytest.mark.req(113)
def test_the_schema_comes_from_hints_and_docstring():
    assert weather.name == "weather"
    assert weather.declaration.description == "Tells the weather.\n\nIt is often wrong."
    assert weather.schema == {
        "type": "object",
        "properties": {
            "place": {
                "type": "object",
                "description": "Where, with its tags.",
                "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
                "required": ["name"],
            },
            "unit": {"enum": ["c", "f"], "description": "Scale."},
            "days": {"type": "integer", "description": "How many days ahead", "default": 1},
            "mode": {"enum": ["long", "short"], "default": "short"},
            "note": {"type": "string"},
            "extra": {"type": "object", "additionalProperties": {"type": "number"}},
        },
        "required": ["place", "unit"],
        "additionalProperties": False,
    }


@pytest.mark.req(113)
async def test_arguments_arrive_as_the_hinted_types_and_defaults_stay_the_functions_own():
    result = await weather.call('{"place":{"name":"Rome"},"unit":"c","days":2}', call_id="c1")
    assert result.call_id == "c1"
    assert result.content == (Text("Rome/[] CELSIUS 2 short None None"),)
    assert not result.is_error


@pytest.mark.req(57)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"place":{"name":1},"unit":"c"}', "place.name: 1 is not of type 'string'"),
        ('{"place":{"name":"R","tags":["a",2]},"unit":"c"}', "place.tags[1]: 2 is not of type 'string'"),
        ('{"place":{"name":"R"}}', "arguments: 'unit' is a required property"),
        ('{"place":{"name":"R"},"unit":"k"}', "unit: 'k' is not one of ['c', 'f']"),
        ('{"place":{"name":"R"},"unit":"c","zoom":1}', "'zoom' was unexpected"),
        ("[1]", "arguments: [1] is not of type 'object'"),
        ('{"place":', "not valid JSON"),
    ],
)
async def test_wrong_arguments_are_told_with_their_path(arguments, told):
    result = await weather.call(arguments, call_id="c1")
    assert result.is_error
    assert told in result.content[0].text  # type: ignore[union-attr]


@pytest.mark.req(57)
def test_faults_are_few_and_in_order():
    schema = {"type": "array", "items": {"type": "string"}}
    assert faults(schema, list(range(20)))[:1] == ["[0]: 0 is not of type 'string'"]
    assert len(faults(schema, list(range(20)))) == 5
    assert path(["a", 2, "b"]) == "a[2].b"


def test_validation_is_loaded_late():
    import subprocess
    import sys

    code = "import dragoman, sys; dragoman.tool; dragoman.Client; print('jsonschema' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.req(114)
async def test_what_a_function_raises_becomes_an_error_result():
    @tool
    def divide(a: int) -> float:
        return 1 / a

    result = await divide.call('{"a":0}')
    assert (result.is_error, result.content) == (True, (Text("ZeroDivisionError: division by zero"),))


@pytest.mark.req(114)
@pytest.mark.parametrize("sort", ["async", "sync"])
async def test_a_tool_that_does_not_finish_is_an_error_result(sort):
    release = threading.Event()

    async def forever() -> str:
        await asyncio.Event().wait()
        return ""

    def stuck() -> str:
        release.wait()
        return ""

    made = tool(timeout=0.01)(forever if sort == "async" else stuck)
    result = await made.call("{}")
    release.set()
    assert result.is_error
    assert "did not finish within 0.01 s" in result.content[0].text  # type: ignore[union-attr]


async def test_cancelling_a_call_is_not_swallowed():
    begun = asyncio.Event()

    @tool
    async def forever() -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    task = asyncio.create_task(forever.call("{}"))
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


@pytest.mark.req(112)
@pytest.mark.parametrize(
    ("value", "content", "is_error"),
    [
        ("text", (Text("text"),), False),
        ({"a": [1]}, (Text('{"a":[1]}'),), False),
        (3.5, (Text("3.5"),), False),
        ([Text("a"), Media("image", url="u")], (Text("a"), Media("image", url="u")), False),
        (Media("image", url="u"), (Media("image", url="u"),), False),
        (None, (Text("the tool gave no result"),), True),
        (object(), (Text(IsStr(regex="the tool's result has no JSON form.*")),), True),
    ],
)
async def test_what_a_function_gives_becomes_content(value, content, is_error):
    @tool
    def give() -> Any:
        return value

    result = await give.call("")
    assert len(result.content) == len(content)
    for got, wanted in zip(result.content, content, strict=True):
        assert type(got) is type(wanted)
        assert getattr(got, "text", None) == getattr(wanted, "text", None)
    assert result.is_error is is_error


@pytest.mark.req(112, 114)
async def test_calls_run_together_and_answer_in_their_order():
    first_may_end = asyncio.Event()

    @tool
    async def first() -> str:
        await first_may_end.wait()
        return "one"

    @tool
    async def second() -> str:
        first_may_end.set()
        return "two"

    box = Toolbox([first, second])
    message = await box.answer([ToolCall("a", "first"), ToolCall("b", "second"), ToolCall("c", "third")])
    assert message.role == "tool"
    assert [r.call_id for r in message.content] == ["a", "b", "c"]  # type: ignore[union-attr]
    assert [r.content[0].text for r in message.content][:2] == ["one", "two"]  # type: ignore[union-attr]
    assert message.content[2].is_error  # type: ignore[union-attr]
    assert "there is no tool 'third'; there are: first, second" in message.content[2].content[0].text  # type: ignore[union-attr]


@pytest.mark.req(117)
def test_a_name_that_comes_twice_is_refused_at_registration():
    def again() -> str:
        return ""

    box = Toolbox([again])
    with pytest.raises(InvalidRequest, match="two tools are named 'again'") as caught:
        box.add(tool(name="again")(lambda: ""))
    assert caught.value.info.param == "tools[again]"
    assert [d.name for d in box.declarations] == ["again"]


def test_name_description_and_plain_calls():
    @tool(name="sum_up", description="Adds.")
    def add(a: int, b: int = 2, /) -> int:
        """Not shown."""
        return a + b

    assert (add.name, add.declaration.description) == ("sum_up", "Adds.")
    assert add(1) == 3


async def test_positional_only_parameters_are_bound():
    @tool
    def add(a: int, b: int = 2, /, *, c: int = 0) -> int:
        return a + b + c

    assert (await add.call('{"c":5,"a":1}')).content == (Text("8"),)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda *args: "", "args"),
        (lambda **kwargs: "", "kwargs"),
    ],
)
def test_signatures_without_a_schema_are_refused(function, told):
    with pytest.raises(TypeError, match=told):
        FunctionTool(function)


def test_a_type_that_holds_itself_is_refused():
    def grow(tree: Tree) -> str:
        return ""

    with pytest.raises(TypeError, match="holds itself"):
        tool(grow)


def test_a_function_without_hints_takes_anything():
    made = FunctionTool(lambda x, y=1: x, name="f")
    assert made.schema["required"] == ["x"]
    assert made.schema["properties"] == {"x": {}, "y": {"default": 1}}
