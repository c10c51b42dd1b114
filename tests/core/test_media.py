"""Media in a history: what stays, what moves, what becomes text or a sentence, and what is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec import Raw

from dragoman.core.messages import Block, Media, MediaKind, Message, Text, ToolCall, ToolResult
from dragoman.core.ownership import ReplayTarget
from dragoman.core.profile import Profile
from dragoman.core.replay import Prepared, prepare
from dragoman.errors import InvalidRequest

PNG = Media("image", data=base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode(), media_type="image/png")
PDF = Media("document", data=base64.b64encode(b"%PDF-1.7").decode(), media_type="application/pdf", name="a.pdf")
NOTES = Media("document", data=base64.b64encode(b"- one").decode(), media_type="text/markdown", name="n.md")
WAV = Media("audio", data=base64.b64encode(b"RIFF\0\0\0\0WAVEfmt ").decode(), media_type="audio/wav")
SENTENCE = Text("[an image was left out: the model cannot take it]")


def user(*blocks: Block | str) -> Message:
    return Message("user", tuple(Text(b) if isinstance(b, str) else b for b in blocks))


def said(*blocks: Block | str) -> Message:
    return Message("assistant", tuple(Text(b) if isinstance(b, str) else b for b in blocks))


def results(*found: ToolResult) -> Message:
    return Message("tool", found)


def call(id: str) -> ToolCall:
    return ToolCall(id, "view", "{}")


def run(*messages: Message, inputs: set[MediaKind] | None = None, **more: Any) -> Prepared:
    known = frozenset({"image"}) if inputs is None else frozenset(inputs)
    flags = {name: more.pop(name) for name in list(more) if name in Profile.__struct_fields__}
    target = ReplayTarget("acme", "a1", more.pop("wire", "chat"), Profile(**flags), "a1-pro", known, **more)  # type: ignore[arg-type]
    done = prepare(messages, target)
    assert prepare(done.messages, target).messages == done.messages
    return done


def codes(done: Prepared) -> list[str]:
    return [note.code for note in done.notes]


# -- tool results


@pytest.mark.case("D16")
@pytest.mark.req(127)
def test_media_of_several_results_move_behind_all_of_them_in_order() -> None:
    one = ToolResult("a", (Text("x"), PNG, Text("y")))
    two = ToolResult("b", (WAV, PNG))
    history = (user("q"), said(call("a"), call("b")), results(two, one), user("and?"))
    done = run(*history, inputs={"image", "audio"})
    assert [m.role for m in done.messages] == ["user", "assistant", "tool", "user", "user"]
    found = done.messages[2].content
    assert [r.call_id for r in found if isinstance(r, ToolResult)] == ["a", "b"]
    assert all(isinstance(p, Text) and p.text for r in found if isinstance(r, ToolResult) for p in r.content)
    moved = [b for b in done.messages[3].content if isinstance(b, Media)]
    assert moved == [PNG, WAV, PNG]
    assert done.messages[4] == user("and?")
    assert codes(done) == ["media_moved"]


@pytest.mark.req(127)
def test_moved_media_and_the_next_words_are_one_message_where_roles_alternate() -> None:
    history = (user("q"), said(call("a")), results(ToolResult("a", (PNG,))), user("and?"))
    done = run(*history, alternate_roles=True)
    assert [m.role for m in done.messages] == ["user", "assistant", "tool", "user"]
    assert done.messages[3].content[-1] == Text("and?")
    assert PNG in done.messages[3].content


@pytest.mark.case("D16")
def test_moved_media_are_a_prefix_of_the_next_turn() -> None:
    first = (user("q"), said(call("a")), results(ToolResult("a", (PNG,))))
    later = (*first, said("seen", call("b")), results(ToolResult("b", (PNG,))), said("done"), user("more"))
    for inputs in ({"image"}, set()):
        one, two = run(*first, inputs=inputs).messages, run(*later, inputs=inputs).messages  # type: ignore[arg-type]
        assert two[: len(one)] == one


@pytest.mark.req(75, 127)
def test_documents_of_results() -> None:
    history = (user("q"), said(call("a")), results(ToolResult("a", (PDF, NOTES))))
    for inputs in (set(), {"document"}):
        done = run(*history, inputs=inputs)  # type: ignore[arg-type]
        block = done.messages[2].content[0]
        assert isinstance(block, ToolResult)
        assert block.content == (
            Text("[a document (a.pdf) was left out: the model cannot take it]"),
            Text("n.md:\n- one"),
        )
        assert codes(done) == ["media_dropped"]
    kept = run(*history, inputs={"document"}, documents_in_tool_results=True)
    block = kept.messages[2].content[0]
    assert isinstance(block, ToolResult)
    assert block.content == (PDF, Text("n.md:\n- one"))
    assert codes(kept) == []


def test_a_sound_of_a_result_is_a_sentence_where_nobody_hears() -> None:
    done = run(user("q"), said(call("a")), results(ToolResult("a", (WAV,))))
    block = done.messages[2].content[0]
    assert isinstance(block, ToolResult)
    assert block.content == (Text("[a sound was left out: the model cannot take it]"),)
    assert len(done.messages) == 3


# -- other roles


def test_media_of_an_assistant_are_a_sentence_in_its_words() -> None:
    done = run(user("q"), said("here:", PNG, NOTES), user("thanks"))
    assert done.messages[1] == said("here:", SENTENCE, Text("n.md:\n- one"))
    assert codes(done) == ["media_dropped"]


def test_media_of_system_text_are_said_by_the_user() -> None:
    system = Message("system", (Text("Be brief."), PNG, NOTES))
    done = run(system, user("q"))
    assert [m.role for m in done.messages] == ["system", "user", "user"]
    assert done.messages[0].content == (Text("Be brief."), Text("n.md:\n- one"))
    assert PNG in done.messages[1].content
    assert codes(done) == ["media_moved"]
    blind = run(system, user("q"), inputs=set())
    assert blind.messages[0].content == (Text("Be brief."), SENTENCE, Text("n.md:\n- one"))
    assert codes(blind) == ["media_dropped"]
    alone = run(Message("system", (PNG,)), user("q"))
    assert [m.role for m in alone.messages] == ["user", "user"]


@pytest.mark.req(74, 126)
def test_media_alone_get_words_blank_ones_do_not_count() -> None:
    for blocks in ((PNG,), (PNG, Text(" "))):
        done = run(user(*blocks), media_needs_text=True)
        assert any(isinstance(b, Text) and b.text.strip() for b in done.messages[0].content)


# -- the newest turn


@pytest.mark.req(64)
@pytest.mark.parametrize(
    ("media", "flags", "told"),
    [
        (WAV, {}, "does not take a sound"),
        (PNG, {"media_data": frozenset(), "media_urls": frozenset()}, "over the chat protocol"),
        (PNG, {"media_data": frozenset()}, "only by its URL"),
        (PNG, {"media_types": {"image": frozenset({"image/jpeg"})}}, "of type image/png; it takes image/jpeg"),
        (PNG, {"media_limits": {"image": 8}}, "of more than 0 MB"),
        (Media("image", url="https://x/y"), {"media_urls": frozenset()}, "from a URL; send its data"),
        (Media("image", url="gs://x/y"), {}, "from a gs: URL"),
        (Media("image", url="pictures/a.png"), {}, "neither a URL nor base64"),
        (Media("image", file_id="file_1"), {}, "file id"),
    ],
)
def test_a_refusal_says_what_is_in_the_way(media: Media, flags: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        run(user("q"), said("a"), user("see", media), **flags)
    assert told in error.value.message
    assert "a1-pro" in error.value.message
    assert error.value.info.code == "unsupported_media"
    assert error.value.info.param == "messages[2].content"
    old = run(user("see", media), said("a"), user("q"), **flags)
    assert codes(old) == ["media_dropped"]
    assert told in old.notes[0].message
    soft = run(user("see", media), media_unsupported="note", **flags)
    assert soft.messages[0] == old.messages[0]


def test_what_is_too_large_to_be_text_is_refused() -> None:
    large = Media("document", data=base64.b64encode(b"a" * ((4 << 20) + 1)).decode(), media_type="text/plain")
    with pytest.raises(InvalidRequest, match="4 MB"):
        run(user(large))


def test_a_picture_that_was_sent_as_a_file_is_seen() -> None:
    done = run(user("see", Media("document", data=PNG.data, name="a.png")))
    found = done.messages[0].content[1]
    assert isinstance(found, Media)
    assert (found.kind, found.media_type) == ("image", "image/png")
    assert codes(done) == []


# -- one source, and what belongs to it


def test_one_source_goes_up() -> None:
    both = Media("image", data=PNG.data, media_type="image/png", url="https://x/y", file_id="f")
    assert run(user(both), own_files=True).messages[0].content == (PNG,)
    by_id = Media("image", file_id="f")
    assert run(user(by_id), own_files=True).messages[0].content == (by_id,)


def test_a_document_that_becomes_text_says_its_name_and_context() -> None:
    options = Raw(b'{"context":"from mail","citations":{"enabled":true}}')
    page = Media("document", text="words", name="b.txt", options=options)
    done = run(user(page))
    assert done.messages[0].content == (Text("b.txt - from mail:\nwords"),)
    assert [(n.code, n.field) for n in done.notes] == [("param_dropped", "citations")]
    kept = run(user(page), inputs={"document"}, text_documents=True, wire="messages")
    assert kept.messages[0].content == (page,)


def test_an_image_inside_of_a_document_is_told() -> None:
    content = Raw(b'{"content":[{"type": "image"},{"type":"text","text":"t"}]}')
    done = run(user(Media("document", text="t", options=content)))
    assert codes(done) == ["media_dropped"]


def test_knobs_without_a_field_are_told() -> None:
    film = Media("video", url="https://x/y", options=Raw(b'{"fps":2}'), detail="high")
    done = run(user(film), inputs={"video"})
    assert done.messages[0].content == (Media("video", url="https://x/y"),)
    assert [(n.code, n.field) for n in done.notes] == [("param_dropped", "detail"), ("param_dropped", "fps")]
    assert run(user(film), inputs={"video"}, video_options=True, media_detail=True).messages[0].content == (film,)
    auto = run(user(Media("image", url="https://x/y", detail="auto")))
    assert codes(auto) == []
