"""The generated pages of the docs are fresh, and no mark stands on a test that checks nothing."""

from __future__ import annotations

from tests.pages import FATES, NOTES, PAGE, collect, render, render_fates, render_notes


def test_the_conformance_page_is_fresh() -> None:
    assert PAGE.read_text() == render(), "run `make docs`"


def test_every_marked_test_asserts_something() -> None:
    empty = [name for marks in collect().values() for tests in marks.values() for name, count in tests if count == 0]
    assert empty == []


def test_every_note_code_is_documented() -> None:
    assert NOTES.read_text() == render_notes(), "run `make docs`"


def test_the_page_of_fates_is_fresh() -> None:
    assert FATES.read_text() == render_fates(), "run `make docs`"
