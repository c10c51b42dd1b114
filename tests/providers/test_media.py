"""Each form of media, from every client protocol, to vendors on their wires: the exact part that goes up, or a refusal.

One table for all clients: what a vendor is sent does not depend on the protocol that the client speaks, but for file
ids. What is expected was read in the vendors' documentation, not in the code.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import msgspec
import pytest

from dragoman.catalog import load
from dragoman.core.profile import ModelFacts
from dragoman.errors import InvalidRequest
from dragoman.gateway.wires import wire as package
from dragoman.providers.plan import Plan, plan
from dragoman.providers.target import Target

CATALOGUE = load()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(20)).decode()
WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(20)).decode()
MP4 = base64.b64encode(b"\x00\x00\x00\x18ftypisom" + bytes(12)).decode()
PDF = base64.b64encode(b"%PDF-1.7\n" + bytes(21)).decode()
CSV = base64.b64encode("größe,1\n".encode()).decode()
IMG, SND, FILM, PAPER = (f"https://example.org/a.{end}" for end in ("png", "wav", "mp4", "pdf"))
ROADS = ("responses", "chat", "messages")
TEXT = {"chat": "text", "responses": "input_text", "messages": "text"}

FORMS: dict[str, dict[str, Any]] = {
    "image by url": {
        "responses": {"type": "input_image", "image_url": IMG},
        "chat": {"type": "image_url", "image_url": {"url": IMG}},
        "messages": {"type": "image", "source": {"type": "url", "url": IMG}},
    },
    "image": {
        "responses": {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        "chat": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    },
    "image of a wrong type": {
        "responses": {"type": "input_image", "image_url": f"data:image/png;base64,{JPEG}"},
        "chat": {"type": "image_url", "image_url": {"url": JPEG}},
        "messages": {"type": "image", "source": {"type": "base64", "data": JPEG}},
    },
    "sound": {
        "responses": {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        "chat": {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        "messages": {"type": "audio", "source": {"type": "base64", "media_type": "audio/wav", "data": WAV}},
    },
    "sound by url": {
        "responses": {"type": "input_audio", "audio_url": SND},
        "chat": {"type": "input_audio", "input_audio": {"data": SND, "format": "wav"}},
        "messages": {"type": "audio", "source": {"type": "url", "url": SND}},
    },
    "film by url": {
        "responses": {"type": "input_video", "video_url": FILM, "fps": 2, "media_resolution": "max"},
        "chat": {"type": "video_url", "video_url": {"url": FILM}, "fps": 2, "media_resolution": "max"},
        "messages": {
            "type": "video",
            "source": {"type": "url", "url": FILM, "fps": 2, "media_resolution": "max"},
        },
    },
    "film": {
        "responses": {"type": "input_video", "video_url": f"data:video/mp4;base64,{MP4}"},
        "chat": {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{MP4}"}},
        "messages": {"type": "video", "source": {"type": "base64", "media_type": "video/mp4", "data": MP4}},
    },
    "pdf": {
        "responses": {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        "chat": {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
        "messages": {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        },
    },
    "pdf by url": {
        "responses": {"type": "input_file", "file_url": PAPER},
        "chat": {"type": "file_url", "file_url": {"url": PAPER}},
        "messages": {"type": "document", "source": {"type": "url", "url": PAPER}},
    },
    "table": {
        "responses": {"type": "input_file", "filename": "a.csv", "file_data": f"data:text/csv;base64,{CSV}"},
        "chat": {"type": "file", "file": {"filename": "a.csv", "file_data": CSV}},
        "messages": {
            "type": "document",
            "title": "a.csv",
            "source": {"type": "base64", "media_type": "text/csv", "data": CSV},
        },
    },
    "plain text": {
        "responses": {"type": "input_file", "filename": "a.csv", "file_data": "größe,1\n"},
        "chat": {"type": "file", "file": {"filename": "a.csv", "file_data": "größe,1\n"}},
        "messages": {
            "type": "document",
            "title": "a.csv",
            "source": {"type": "text", "media_type": "text/plain", "data": "größe,1\n"},
        },
    },
}


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _source(kind: str, data: str, media_type: str) -> dict[str, Any]:
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": data}}


def _url_source(kind: str, url: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "source": {"type": "url", "url": url, **more}}


def _told(wire: str) -> dict[str, Any]:
    return {"type": TEXT[wire], "text": "a.csv:\ngröße,1\n"}


NO = "does not take"
CHAT_IMAGES = {
    "image by url": _image(IMG),
    "image": _image(f"data:image/png;base64,{PNG}"),
    "image of a wrong type": _image(f"data:image/jpeg;base64,{JPEG}"),
}
MESSAGES_IMAGES = {
    "image by url": _url_source("image", IMG),
    "image": _source("image", PNG, "image/png"),
    "image of a wrong type": _source("image", JPEG, "image/jpeg"),
}
CHAT_FILMS = {
    "film by url": {"type": "video_url", "video_url": {"url": FILM}},
    "film": {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{MP4}"}},
}
EXPECTED: dict[tuple[str, str, str], dict[str, Any]] = {
    ("xiaomi", "mimo-v2.6-pro", "chat"): {
        **CHAT_IMAGES,
        "sound": {"type": "input_audio", "input_audio": {"data": f"data:audio/wav;base64,{WAV}"}},
        "sound by url": {"type": "input_audio", "input_audio": {"data": SND}},
        "film by url": {"type": "video_url", "video_url": {"url": FILM}, "fps": 2, "media_resolution": "max"},
        "film": CHAT_FILMS["film"],
    },
    ("xiaomi", "mimo-v2.6-pro", "responses"): {
        "image by url": {"type": "input_image", "image_url": IMG},
        "image": {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        "image of a wrong type": {"type": "input_image", "image_url": f"data:image/jpeg;base64,{JPEG}"},
        "sound": {"type": "input_audio", "audio_url": f"data:audio/wav;base64,{WAV}"},
        "sound by url": {"type": "input_audio", "audio_url": SND},
        "film by url": {"type": "input_video", "video_url": FILM, "fps": 2, "media_resolution": "max"},
        "film": {"type": "input_video", "video_url": f"data:video/mp4;base64,{MP4}"},
    },
    ("xiaomi", "mimo-v2.6-pro", "messages"): {
        **MESSAGES_IMAGES,
        "sound": _source("audio", WAV, "audio/wav"),
        "sound by url": _url_source("audio", SND),
        "film by url": _url_source("video", FILM, fps=2, media_resolution="max"),
        "film": _source("video", MP4, "video/mp4"),
    },
    ("xiaomi", "mimo-v2.5-pro", "chat"): {},
    ("minimax", "MiniMax-M3", "chat"): {**CHAT_IMAGES, **CHAT_FILMS},
    ("minimax", "MiniMax-M3", "messages"): MESSAGES_IMAGES,
    ("minimax", "MiniMax-M2.7", "chat"): {},
    ("deepseek", "deepseek-flash", "chat"): CHAT_IMAGES,
    ("deepseek", "deepseek-v4-pro", "chat"): {},
    ("zhipu", "glm-5v-turbo", "chat"): {
        **CHAT_IMAGES,
        **CHAT_FILMS,
        "pdf": "only by its URL",
        "pdf by url": {"type": "file_url", "file_url": {"url": PAPER}},
    },
    ("zhipu", "glm-5.2", "chat"): {},
    ("moonshot", "kimi-k3", "chat"): {**CHAT_IMAGES, **CHAT_FILMS},
    ("gemini", "gemini-3.8-flash", "chat"): {
        **CHAT_IMAGES,
        "sound": {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        "sound by url": "from a URL",
    },
    ("openai", "gpt-6.1-sol", "chat"): {
        **CHAT_IMAGES,
        "pdf": {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        },
        "pdf by url": "from a URL",
    },
    ("openai", "gpt-6.1-sol", "responses"): {
        "image by url": {"type": "input_image", "image_url": IMG},
        "image": {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        "image of a wrong type": {"type": "input_image", "image_url": f"data:image/jpeg;base64,{JPEG}"},
        "pdf": {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        "pdf by url": {"type": "input_file", "file_url": PAPER},
    },
    ("anthropic", "claude-sonnet-5-5", "messages"): {
        **MESSAGES_IMAGES,
        "pdf": {**_source("document", PDF, "application/pdf"), "title": "a.pdf"},
        "pdf by url": _url_source("document", PAPER),
        "table": {
            "type": "document",
            "title": "a.csv",
            "source": {"type": "text", "media_type": "text/plain", "data": "größe,1\n"},
        },
        "plain text": {
            "type": "document",
            "title": "a.csv",
            "source": {"type": "text", "media_type": "text/plain", "data": "größe,1\n"},
        },
    },
}
"""What goes up, or a part of the refusal. A form that is not named is refused; text files are text."""


@cache
def target(provider: str, model: str, upstream: str, unsupported: str = "error") -> Target:
    row = CATALOGUE.provider(provider)
    assert row is not None
    found = CATALOGUE.model(provider, model)
    assert found is not None, (provider, model)
    fitted = msgspec.structs.replace(row, profile=CATALOGUE.profile_for(row, found))
    more: Any = {"media_unsupported": unsupported}
    return Target(fitted, found.facts, key="sk-test-1234567890", wire=upstream, native=False, **more)  # type: ignore[arg-type]


def ask(road: str, *parts: Any, before: list[Any] | None = None) -> dict[str, Any]:
    """A request whose newest user message holds a text and these parts."""
    message = {"role": "user", "content": [{"type": TEXT[road], "text": "look"}, *parts]}
    messages = [*(before or []), message]
    if road == "responses":
        return {"model": "m", "input": messages}
    return {"model": "m", "messages": messages, **({"max_tokens": 4096} if road == "messages" else {})}


def planned(road: str, body: dict[str, Any], aim: Target) -> Plan:
    request, _ = package(road).decode_request(json.dumps(body).encode())  # type: ignore[arg-type]
    return plan(request, aim)


def parts_of(made: Plan) -> list[Any]:
    """The parts of the newest user message but for its first text."""
    body = json.loads(made.body)
    message = body["input" if made.wire == "responses" else "messages"][-1]
    content = message["content"]
    if isinstance(content, str):
        return [content.removeprefix("look\n")]
    assert content[0]["text"] == "look"
    return [{k: v for k, v in part.items() if k != "cache_control"} for part in content[1:]]


@pytest.mark.req(64, 124)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("aim", EXPECTED, ids=":".join)
def test_every_form_goes_up_as_the_vendor_documents_it(aim: tuple[str, str, str], road: str, form: str) -> None:
    textual = form in ("table", "plain text")
    wanted = EXPECTED[aim].get(form, _told(aim[2]) if textual else NO)
    body = ask(road, FORMS[form][road])
    if isinstance(wanted, str):
        with pytest.raises(InvalidRequest, match=wanted) as error:
            planned(road, body, target(*aim))
        assert error.value.info.http_status == 400
        assert error.value.info.code == "unsupported_media"
        return
    found = parts_of(planned(road, body, target(*aim)))
    if found == ["a.csv:\ngröße,1\n"]:  # a vendor that is sent a string where there is nothing but text
        found = [_told(aim[2])]
    assert found == [wanted]


@pytest.mark.req(64)
@pytest.mark.parametrize("road", ROADS)
def test_with_note_a_sentence_stands_in_the_newest_turn_too(road: str) -> None:
    made = planned(road, ask(road, FORMS["image"][road]), target("xiaomi", "mimo-v2.5-pro", "chat", "note"))
    assert parts_of(made) == ["[an image was left out: the model cannot take it]"]
    assert "media_dropped" in {note.code for note in made.notes}


# -- file ids

IDS = {
    "responses": {"type": "input_image", "file_id": "file_1"},
    "chat": {"type": "file", "file": {"file_id": "file_1"}},
    "messages": {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
}
HOME = {
    "responses": ("openai", "gpt-6.1-sol", "responses"),
    "chat": ("openai", "gpt-6.1-sol", "chat"),
    "messages": ("anthropic", "claude-sonnet-5-5", "messages"),
}


@pytest.mark.parametrize("aim", [aim for aim in EXPECTED if EXPECTED[aim]], ids=":".join)
@pytest.mark.parametrize("road", ROADS)
def test_a_file_id_goes_only_to_the_vendor_of_the_protocol(road: str, aim: tuple[str, str, str]) -> None:
    body = ask(road, IDS[road])
    if aim == HOME[road]:
        assert parts_of(planned(road, body, target(*aim))) == [IDS[road]]
        return
    with pytest.raises(InvalidRequest, match=r"file id|does not take"):
        planned(road, body, target(*aim))


def test_a_program_names_the_vendor_itself_so_its_ids_are_that_vendors() -> None:
    aim = msgspec.structs.replace(target(*HOME["responses"]), own_files=True)
    assert parts_of(planned("chat", ask("chat", IDS["chat"]), aim)) == [{"type": "input_file", "file_id": "file_1"}]


def test_an_address_at_the_vendor_goes_to_that_vendor_only() -> None:
    part = {"type": "video_url", "video_url": {"url": "mm_file://1234"}}
    assert parts_of(planned("chat", ask("chat", part), target("minimax", "MiniMax-M3", "chat"))) == [part]
    with pytest.raises(InvalidRequest, match="mm_file: URL"):
        planned("chat", ask("chat", part), target("xiaomi", "mimo-v2.6-pro", "chat"))


# -- limits that the vendors document


@pytest.mark.parametrize(
    ("aim", "size", "fits"),
    [
        (("zhipu", "glm-5v-turbo", "chat"), 5 << 20, True),
        (("zhipu", "glm-5v-turbo", "chat"), (5 << 20) + 1, False),
        (("minimax", "MiniMax-M3", "chat"), (5 << 20) + 1, True),
        (("minimax", "MiniMax-M3", "chat"), (10 << 20) + 1, False),
    ],
)
def test_an_image_may_be_as_large_as_the_vendor_says(aim: tuple[str, str, str], size: int, fits: bool) -> None:
    body = ask("chat", _image("data:image/png;base64," + base64.b64encode(bytes(size)).decode()))
    if fits:
        assert parts_of(planned("chat", body, target(*aim)))[0]["type"] == "image_url"
        return
    with pytest.raises(InvalidRequest, match="MB"):
        planned("chat", body, target(*aim))


@pytest.mark.parametrize(("word", "fits"), [("wav", True), ("mp3", True), ("flac", False)])
def test_sounds_at_openai_are_wav_or_mp3(word: str, fits: bool) -> None:
    aim = target("openai", "gpt-6.1-sol", "chat")
    facts: ModelFacts = msgspec.structs.replace(aim.model, inputs=frozenset({"audio"}))
    aim = msgspec.structs.replace(aim, model=facts)
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": word}}
    if fits:
        assert parts_of(planned("chat", ask("chat", part), aim)) == [part]
        return
    with pytest.raises(InvalidRequest, match="audio/flac; it takes audio/mpeg, audio/wav"):
        planned("chat", ask("chat", part), aim)


# -- what a vendor has no field for


def test_a_hint_that_the_vendor_lacks_is_told() -> None:
    image = {"type": "input_image", "image_url": IMG, "detail": "high"}
    made = planned("responses", ask("responses", image), target("xiaomi", "mimo-v2.6-pro", "chat"))
    assert parts_of(made) == [_image(IMG)]
    assert ("param_dropped", "detail") in {(note.code, note.field) for note in made.notes}
    kept = planned("responses", ask("responses", image), target("openai", "gpt-6.1-sol", "chat"))
    assert parts_of(kept) == [{"type": "image_url", "image_url": {"url": IMG, "detail": "high"}}]


def test_frames_a_second_go_only_where_they_are_known() -> None:
    film = FORMS["film by url"]["chat"]
    made = planned("chat", ask("chat", film), target("minimax", "MiniMax-M3", "chat"))
    assert parts_of(made) == [CHAT_FILMS["film by url"]]
    told = {(note.code, note.field) for note in made.notes}
    assert {("param_dropped", "fps"), ("param_dropped", "media_resolution")} <= told


@pytest.mark.req(64)
@pytest.mark.parametrize("road", ROADS)
def test_the_history_and_every_later_turn_have_the_same_prefix(road: str) -> None:
    aim = target("xiaomi", "mimo-v2.5-pro", "chat")
    said = {"role": "assistant", "content": "seen"}
    first = {
        "role": "user",
        "content": [{"type": TEXT[road], "text": "look"}, FORMS["pdf"][road], FORMS["table"][road]],
    }
    bodies = []
    history = [first, said]
    for _ in range(2):
        made = planned(road, ask(road, before=list(history)), aim)
        bodies.append(json.loads(made.body)["messages"])
        history += [{"role": "user", "content": [{"type": TEXT[road], "text": "look"}]}, said]
    assert bodies[1][: len(bodies[0])] == bodies[0]
    assert "a.pdf" in bodies[0][0]["content"]
    assert "größe,1" in bodies[0][0]["content"]
