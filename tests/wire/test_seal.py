"""Seals: they open for whom they were made and for nobody else, and hold exactly what was put in."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.core.events import BlockEnd, BlockStart, Finished, TextDelta
from dragoman.core.messages import Message, ProviderState, Reasoning, Text
from dragoman.gateway.box import KeyBox
from dragoman.wire import seal
from dragoman.wire.seal import MAX_SEAL, Payload, SealStage, open_seal, pack, reasoning_of, unpack

BOX = KeyBox([b"k" * 32])
THOUGHT = Reasoning("why é中\U0001f600\n ", turn="turn_1", segment=2)
PAYLOAD = Payload(provider="p", family="f", turn="turn_1", segment=2, blocks=(THOUGHT,))


def made(payload: Payload = PAYLOAD, box: KeyBox = BOX, tenant: str = "t") -> str:
    return seal.seal(box, payload, purpose="reasoning", tenant=tenant)


def opened(blob: str, box: KeyBox = BOX, tenant: str = "t") -> Payload | None:
    return open_seal(box, blob, purpose="reasoning", tenant=tenant)


@given(st.text(), st.text(max_size=20), st.sampled_from(["text", "empty", "opaque"]))
def test_what_goes_in_comes_out(text: str, turn: str, presence: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    turn = turn.encode("utf-8", "replace").decode()
    payload = Payload(provider="p", family="f", turn=turn, blocks=(Reasoning(text, presence, turn),))  # type: ignore[arg-type]
    assert opened(made(payload)) == payload


def test_raw_vendor_state_survives_byte_for_byte() -> None:
    state = ProviderState("p", "f", "messages", Raw(b'{"type" : "redacted_thinking","data":"\\u00e9"}'))
    payload = Payload(provider="p", family="f", blocks=(Reasoning("", "opaque", state=state, signature="sig"),))
    back = opened(made(payload))
    assert back is not None
    assert back.blocks[0].state is not None
    assert bytes(back.blocks[0].state.data) == bytes(state.data)


def test_the_form_is_the_documented_one() -> None:
    blob = made()
    prefix, key, body = blob.split(".")
    assert (prefix, key) == ("dgm1", BOX.seal(b"", b"")[0])
    assert blob.isascii() and "=" not in blob
    assert THOUGHT.text.encode() not in base64.urlsafe_b64decode(body + "==")


def test_two_seals_of_the_same_content_differ() -> None:
    assert made() != made()


@pytest.mark.parametrize("at", range(0, 120, 7))
def test_a_changed_character_closes_it(at: int) -> None:
    blob = made()
    at = 5 + at % (len(blob) - 6)  # the last character of base64 may hold bits that mean nothing
    other = "A" if blob[at] != "A" else "B"
    changed = blob[:at] + other + blob[at + 1 :]
    assert opened(changed) is None


@pytest.mark.parametrize(
    "blob",
    [
        "",
        "dgm1.",
        "dgm1.x",
        "dgm1..",
        "dgm1.k.",
        "dgm1.k.AAAA",
        "dgm1.k.%%%",
        "dgm1.\u00e9.AAAA",
        "gAAAAA",
        "dgm0.turn.1",
        made()[:-9],
    ],
)
def test_what_is_no_seal_of_ours_does_not_open(blob: str) -> None:
    assert opened(blob) is None


def test_another_tenant_purpose_or_key_does_not_open_it() -> None:
    blob = made()
    assert opened(blob, tenant="other") is None
    assert open_seal(BOX, blob, purpose="compaction", tenant="t") is None
    assert opened(blob, box=KeyBox([b"x" * 32])) is None


def test_after_a_rotation_old_seals_open_and_new_ones_are_made_with_the_new_key() -> None:
    old, both = KeyBox([b"a" * 32]), KeyBox([b"b" * 32, b"a" * 32])
    assert opened(made(box=old), box=both) == PAYLOAD
    assert opened(made(box=both), box=old) is None


def test_a_decompression_bomb_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "MAX_PLAIN", 1000)
    assert unpack(zlib.compress(b'{"summary":"' + b"a" * 500 + b'"}')) == Payload(summary="a" * 500)
    assert unpack(zlib.compress(b'{"summary":"' + b"a" * 5000 + b'"}')) is None


@pytest.mark.parametrize(
    "data", [b"", b"junk", zlib.compress(b"junk"), zlib.compress(b'{"version":2}'), pack(PAYLOAD)[:-3]]
)
def test_unreadable_payloads_are_none(data: bytes) -> None:
    assert unpack(data) is None


def incompressible(size: int) -> str:
    import random

    return "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size))


def test_what_is_too_large_to_carry_is_kept_and_referred_to() -> None:
    kept: list[bytes] = []

    def keep(packed: bytes) -> str:
        kept.append(packed)
        return "name"

    large = Payload(provider="p", family="f", turn="t1", segment=1, blocks=(Reasoning(incompressible(2 * MAX_SEAL)),))
    blob = seal.seal(BOX, large, purpose="reasoning", tenant="t", keep=keep)
    assert len(blob) < 1000
    back = opened(blob)
    assert back == Payload(provider="p", family="f", turn="t1", segment=1, ref="name")
    assert unpack(kept[0]) == large
    assert seal.seal(BOX, PAYLOAD, purpose="reasoning", tenant="t", keep=keep).startswith("dgm1.")
    assert len(kept) == 1


def test_opened_reasoning_knows_its_origin_and_the_clients_item() -> None:
    (block,) = reasoning_of(PAYLOAD, Reasoning("trimmed", seal="dgm1.x", item_id="rs_1"))
    assert (block.text, block.turn, block.segment, block.item_id, block.seal) == (
        THOUGHT.text,
        "turn_1",
        2,
        "rs_1",
        None,
    )
    assert block.state is not None
    assert (block.state.provider, block.state.family) == ("p", "f")


# -- the stage


def stage() -> SealStage:
    return SealStage(BOX, "p", "f", "t", lambda packed: "ref")


def test_the_stage_seals_each_reasoning_block_once() -> None:
    one = stage()
    (event,) = one.feed([BlockEnd(0, THOUGHT)])
    assert isinstance(event, BlockEnd)
    assert isinstance(event.block, Reasoning)
    first = event.block.seal
    assert first is not None
    assert opened(first) == PAYLOAD
    (again,) = one.feed([event])
    assert again == event


@pytest.mark.parametrize(
    "block", [Reasoning("made up", placeholder=True), Reasoning("", "absent"), Text("no thinking")]
)
def test_the_stage_leaves_these_alone(block: Reasoning | Text) -> None:
    event = BlockEnd(0, block)
    assert stage().feed([event]) == [event]


def test_an_empty_but_present_reasoning_is_sealed_too() -> None:
    (event,) = stage().feed([BlockEnd(0, Reasoning("", "empty"))])
    assert isinstance(event, BlockEnd) and isinstance(event.block, Reasoning)
    back = opened(event.block.seal or "")
    assert back is not None
    assert back.blocks[0].presence == "empty"


def test_the_stage_changes_nothing_else_and_knows_no_cut() -> None:
    events = [BlockStart(0, Text("")), TextDelta("a"), BlockEnd(0, Text("a")), Finished()]
    assert stage().feed(list(events)) == events
    one = stage()
    assert [e for event in events for e in one.feed([event])] == events


def test_kept_messages_survive_in_a_compaction() -> None:
    payload = Payload(summary="S", kept=(Message("user", (Text("last"),)),))
    blob = seal.seal(BOX, payload, purpose="compaction", tenant="t")
    assert open_seal(BOX, blob, purpose="compaction", tenant="t") == payload
