"""The native lane of Chat: frames pass as they are, and the one end holds."""

from __future__ import annotations

import json

import pytest

from dragoman.core.events import Finished, RawFrame
from dragoman.wire.chat_completions import Decoder, NativeEncoder, View
from dragoman.wire.sse import frames
from tests.wire.chat.chunks import DONE, USAGE, chunk, context, sse, usage

VIEW = View("asked", True, True)


def native(data: bytes, view: View = VIEW, id: str = "") -> bytes:
    decoder = Decoder(context(native=True))
    one = NativeEncoder(view, lambda prefix: prefix, 7, id)
    items = decoder.feed(data) + decoder.end()
    return frames(one.preamble() + one.encode(items) + one.keepalive())


def test_native_frames_keep_all_but_the_model_and_the_given_id() -> None:
    first = chunk({"role": "assistant", "content": "x", "vendor": [1, 2.50]})
    data = sse(first, chunk({}, "stop"), usage(USAGE), DONE)
    sent = native(data, id="mine")
    lines = [line[6:] for line in sent.decode().split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    assert json.loads(lines[0]) == {**first, "model": "asked", "id": "mine"}
    assert '"vendor":[1, 2.5]' in lines[0].replace('"vendor": ', '"vendor":')
    assert json.loads(lines[2])["usage"] == USAGE
    assert b'"usage"' not in native(data, View("asked", True, False))


@pytest.mark.parametrize("tail", [[DONE], []], ids=["with DONE", "without DONE"])
def test_native_streams_end_once(tail: list[str]) -> None:
    sent = native(sse(chunk({"role": "assistant", "content": "x"}), chunk({}, "stop"), *tail))
    assert sent.count(b"[DONE]") == 1


def test_a_native_failure_is_told_once_and_never_done() -> None:
    silent = native(sse(chunk({"role": "assistant", "content": "x"}), DONE))
    assert b"[DONE]" not in silent
    assert silent.count(b'"error"') == 1
    spoken = native(sse(chunk({"content": "x"}), {"error": {"message": "theirs"}}))
    assert spoken.count(b'"error"') == 1
    assert b"theirs" in spoken
    assert b"[DONE]" not in spoken


def test_native_frames_that_are_no_json_are_left_out() -> None:
    one = NativeEncoder(VIEW, lambda prefix: prefix, 7)
    assert one.encode([RawFrame("", b"{"), Finished()]) == [("", b"[DONE]")]
    assert one.encode([RawFrame("", b"{}")]) == []
