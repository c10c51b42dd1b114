"""The seal keys: made once, private, rotated, and told about without being told."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from dragoman.errors import ConfigError
from dragoman.gateway.box import FILE, RETIRED_OPENS_S, KeyBox, make_box, read_key, rotate

NOW = 1_800_000_000


def test_the_file_is_made_once_and_is_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first, second = make_box((), home, NOW), make_box((), home, NOW + 5)
    name, sealed = first.seal(b"plain", b"bound")
    assert second.open(name, sealed, b"bound") == b"plain"
    assert stat.S_IMODE(os.stat(home / FILE).st_mode) == 0o600
    assert sorted(p.name for p in home.iterdir()) == [FILE]


def test_the_first_process_wins_a_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, sealed = make_box((), tmp_path, NOW).seal(b"x", b"")
    # The loser looked before the winner's file was there.
    monkeypatch.setattr(Path, "exists", lambda self, **more: False)
    loser = make_box((), tmp_path, NOW)
    assert loser.open(name, sealed, b"") == b"x"
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    make_box((), tmp_path, NOW)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        make_box((), tmp_path, NOW)


@pytest.mark.parametrize("text", ["", "junk", "[]", '[{"key":"c2hvcnQ="}]', '{"key":1}'])
def test_a_broken_file_is_told_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(ConfigError, match="remove"):
        make_box((), tmp_path, NOW)


def test_a_retired_key_opens_for_ninety_days(tmp_path: Path) -> None:
    name, sealed = make_box((), tmp_path, NOW).seal(b"x", b"")
    rotate(tmp_path, NOW)
    after = make_box((), tmp_path, NOW)
    assert after.seal(b"y", b"")[0] != name
    assert after.open(name, sealed, b"") == b"x"
    assert make_box((), tmp_path, NOW + RETIRED_OPENS_S).open(name, sealed, b"") == b"x"
    assert make_box((), tmp_path, NOW + RETIRED_OPENS_S + 1).open(name, sealed, b"") is None
    assert stat.S_IMODE(os.stat(tmp_path / FILE).st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "00" * 32,
        base64.b64encode(b"\xfb" * 32).decode(),
        base64.urlsafe_b64encode(b"\xfb" * 32).decode(),
        "correct horse battery staple",
    ],
)
def test_keys_are_read_in_every_form_and_always_the_same(text: str) -> None:
    assert len(read_key(text)) == 32
    assert read_key(text) == read_key(f" {text}\n")


def test_different_texts_give_different_keys() -> None:
    assert read_key("correct horse battery") != read_key("correct horse batterz")
    assert read_key(base64.b64encode(b"\xfb" * 32).decode()) == b"\xfb" * 32


def test_a_short_key_is_refused_without_being_quoted() -> None:
    with pytest.raises(ConfigError) as caught:
        read_key("hunter2")
    assert "hunter2" not in str(caught.value)


def test_configured_keys_need_no_file(tmp_path: Path) -> None:
    old, new = (
        make_box(["first-secret-key"], tmp_path, NOW),
        make_box(["second-secret", "first-secret-key"], tmp_path, NOW),
    )
    name, sealed = old.seal(b"x", b"")
    assert new.open(name, sealed, b"") == b"x"
    assert new.seal(b"x", b"")[0] != name
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_home_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="DRAGOMAN_SEAL_KEYS"):
        make_box((), tmp_path / "file" / "home", NOW)


def test_nonces_differ_and_bound_data_counts() -> None:
    one = KeyBox([b"k" * 32])
    name, sealed = one.seal(b"x", b"a")
    assert one.seal(b"x", b"a")[1] != sealed
    assert one.open(name, sealed, b"b") is None
    assert one.open(name, b"", b"a") is None
    assert one.open("other", sealed, b"a") is None
