"""Media as the three client protocols write them: every spelling of data, and what no client may send."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from dragoman.core.messages import Media, ToolResult
from dragoman.core.request import Request
from dragoman.errors import InvalidRequest
from dragoman.gateway.wires import wire as package

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(7)).decode()
LINES = "\n".join(PNG[at : at + 8] for at in range(0, len(PNG), 8))
HERE = {"responses": "input[0].content[0]", "chat": "messages[0].content[0]", "messages": "messages[0].content[0]"}
THERE = {"responses": "input[1].output[0]", "chat": "messages[2].content[0]", "messages": "messages[2].content[0]"}


def decode(road: str, part: Any, *, result: bool = False) -> Request:
    """A request that holds the part in a user message, or in a tool's result."""
    call: Any
    if road == "responses":
        call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        told = [call, {"type": "function_call_output", "call_id": "c", "output": [part]}]
    elif road == "chat":
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        told = [
            {"role": "user", "content": "q"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": [part]},
        ]
    else:
        call = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
        told = [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [part]}]},
        ]
    asked = told if result else [{"role": "user", "content": [part]}]
    body: dict[str, Any] = {"model": "m", "input" if road == "responses" else "messages": asked}
    if road == "messages":
        body["max_tokens"] = 9
    return package(road).decode_request(json.dumps(body).encode())[0]  # type: ignore[arg-type]


def image(road: str, data: str, media_type: str | None = "image/png") -> Any:
    """An inline image as the protocol writes it."""
    if road == "messages":
        named = {"media_type": media_type} if media_type else {}
        return {"type": "image", "source": {"type": "base64", "data": data, **named}}
    url = f"data:{media_type or ''};base64,{data}"
    if road == "chat":
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "input_image", "image_url": url}


FIELD = {"responses": "image_url", "chat": "image_url.url", "messages": "source.data"}


@pytest.mark.parametrize("road", HERE)
@pytest.mark.parametrize("data", [PNG, LINES, PNG.rstrip("=")], ids=["plain", "lines", "unpadded"])
def test_an_inline_image(road: str, data: str) -> None:
    media = Media("image", data=PNG, media_type="image/png")
    assert decode(road, image(road, data)).messages[0].content == (media,)
    found = decode(road, image(road, data), result=True).messages[-1].content[0]
    assert isinstance(found, ToolResult)
    assert found.content == (media,)


@pytest.mark.parametrize("result", [False, True], ids=["said", "result"])
@pytest.mark.parametrize("road", HERE)
@pytest.mark.parametrize("data", ["", "no base64!", "AAAAA", PNG[:8] + "ö" + PNG[9:]])
def test_bad_data_name_the_part(road: str, data: str, result: bool) -> None:
    with pytest.raises(InvalidRequest) as error:
        decode(road, image(road, data), result=result)
    assert error.value.info.http_status == 400
    param = error.value.info.param or ""
    if not (result and road == "messages"):
        where = (THERE if result else HERE)[road]
        assert param == f"{where}.{FIELD[road]}"
    else:
        assert param == f"messages[2].content[0].content[0].{FIELD[road]}"


@pytest.mark.parametrize(
    ("road", "part", "field"),
    [
        ("chat", {"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}, "input_audio.data"),
        ("chat", {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,"}}, "input_audio.data"),
        ("chat", {"type": "image_url", "image_url": "data:image/png"}, "image_url"),
        ("chat", {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,"}}, "video_url.url"),
        ("chat", {"type": "file", "file": {"file_data": "plain words"}}, "file.file_data"),
        ("chat", {"type": "file", "file": {"file_data": "plain words", "filename": "a.pdf"}}, "file.file_data"),
        ("responses", {"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}, "input_audio.data"),
        ("responses", {"type": "input_audio", "input_audio": {"format": "wav"}}, "input_audio.data"),
        ("responses", {"type": "input_audio", "audio_url": "data:audio/wav;base64,?"}, "audio_url"),
        ("responses", {"type": "input_video", "video_url": {"url": "data:video/mp4;base64,?"}}, "video_url"),
        ("responses", {"type": "input_file", "file_data": "data:application/pdf;base64,?"}, "file_data"),
        ("responses", {"type": "input_file", "file_url": "data:application/pdf;base64,?"}, "file_url"),
        ("messages", {"type": "document", "source": {"type": "base64", "data": "?"}}, "source.data"),
        ("messages", {"type": "image", "source": {"type": "url", "url": "data:image/png;base64,"}}, "source.url"),
    ],
)
def test_every_field_with_data_is_looked_at(road: str, part: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        decode(road, part)
    assert error.value.info.param == f"{HERE[road]}.{field}"


@pytest.mark.parametrize(
    ("road", "part", "media"),
    [
        ("chat", {"type": "image_url", "image_url": PNG}, Media("image", data=PNG)),
        ("responses", {"type": "input_image", "image_url": PNG}, Media("image", data=PNG)),
        (
            "messages",
            {"type": "image", "source": {"type": "base64", "data": f"data:image/gif;base64,{PNG}"}},
            Media("image", data=PNG, media_type="image/gif"),
        ),
        (
            "messages",
            {"type": "image", "source": {"type": "url", "url": f"data:image/png;base64,{PNG}"}},
            Media("image", data=PNG, media_type="image/png"),
        ),
        (
            "responses",
            {"type": "input_file", "file_url": f"data:application/pdf;base64,{PNG}"},
            Media("document", data=PNG, media_type="application/pdf"),
        ),
        (
            "responses",
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            Media("audio", data="AAAA", media_type="audio/mpeg"),
        ),
        (
            "chat",
            {"type": "file", "file": {"filename": "a.md", "file_data": "# plain words"}},
            Media("document", name="a.md", text="# plain words"),
        ),
        (
            "responses",
            {"type": "input_file", "filename": "a.txt", "file_data": "abcd"},
            Media("document", name="a.txt", text="abcd"),
        ),
        (
            "responses",
            {"type": "input_file", "filename": "a.txt", "file_data": "d29yZHM="},
            Media("document", name="a.txt", data="d29yZHM="),
        ),
        (
            "chat",
            {"type": "input_audio", "input_audio": {"data": "HTTPS://a.example/b.wav", "format": "wav"}},
            Media("audio", url="HTTPS://a.example/b.wav", media_type="audio/wav"),
        ),
        (
            "responses",
            {"type": "input_audio", "input_audio": {"data": " https://a.example/b.mp3\n", "format": "mp3"}},
            Media("audio", url="https://a.example/b.mp3", media_type="audio/mpeg"),
        ),
        (
            "chat",
            {"type": "image_url", "image_url": {"url": f"\n data:image/png;base64, {PNG}\n"}},
            Media("image", data=PNG, media_type="image/png"),
        ),
        (
            "responses",
            {"type": "input_image", "image_url": " https://a.example/b.png"},
            Media("image", url="https://a.example/b.png"),
        ),
        (
            "messages",
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png "}},
            Media("image", url="https://a.example/b.png"),
        ),
        (
            "messages",
            {
                "type": "document",
                "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "image"}]},
            },
            "a\n[image was left out]",
        ),
    ],
)
def test_spellings_that_clients_have(road: str, part: Any, media: Media | str) -> None:
    found = decode(road, part).messages[0].content[0]
    assert isinstance(found, Media)
    assert (found.text if isinstance(media, str) else found) == media
