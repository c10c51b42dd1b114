"""Data of media: what is base64, what data say of themselves, which documents are text."""

from __future__ import annotations

import base64
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.media_data import (
    TEXT_LIMIT,
    audio_type,
    audio_word,
    clean_base64,
    data_size,
    document_text,
    is_base64,
    is_text_name,
    plain_type,
    read_data_url,
    repaired,
    sniff,
)
from dragoman.core.messages import Media


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# -- base64


@given(st.binary(min_size=1, max_size=200))
def test_base64_in_any_spelling_is_the_same_data(raw: bytes) -> None:
    plain = b64(raw)
    lines = base64.encodebytes(raw).decode()
    safe = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    percent = plain.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    assert clean_base64(plain) is plain
    assert [clean_base64(spelt) for spelt in (lines, safe, percent)] == [plain] * 3
    assert data_size(plain) == len(raw)


@pytest.mark.parametrize("data", ["", "=", "A", "AAA A", "AA=A", "====", "größe=", "AAAAA", "not base64!", "AAAA===="])
def test_what_is_no_base64(data: str) -> None:
    assert not is_base64(data)
    if data != "AAAA====":  # padding that is doubled loses nothing
        assert clean_base64(data) is None


def test_a_wrong_character_is_found_wherever_it_stands() -> None:
    data = "A" * (3 << 20)
    for at in (0, (1 << 20) - 1, 1 << 20, len(data) - 1):
        assert clean_base64(data[:at] + "!" + data[at + 1 :]) is None


def test_large_data_are_never_copied_or_decoded_as_a_whole() -> None:
    data = "QUJD" * (4 << 20)
    media = Media("image", data=data, media_type="image/png")
    tracemalloc.start()
    try:
        assert clean_base64(data) is data
        assert repaired(media).data is data
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("data:image/png;base64,AAAA", ("image/png", "AAAA")),
        ("DATA:Image/PNG;charset=x;BASE64,AAAA", ("image/png", "AAAA")),
        ("data:;base64,AAAA", (None, "AAAA")),
        ("data:image/png;base64,", ("image/png", "")),
        ("data:image/svg+xml,%3Csvg%3E", ("image/svg+xml", b64(b"<svg>"))),
        ("data:image/png,iVBORw0KGgo=", ("image/png", "iVBORw0KGgo=")),
        ("data:nothing", (None, "")),
        ("https://example.org/data:image/png;base64,AAAA", None),
        ("", None),
    ],
)
def test_data_urls(url: str, found: tuple[str | None, str] | None) -> None:
    assert read_data_url(url) == found


# -- types

MAGIC = [
    (b"\x89PNG\r\n\x1a\n", "image", "image/png"),
    (b"\xff\xd8\xff\xe0", "image", "image/jpeg"),
    (b"GIF87a", "image", "image/gif"),
    (b"GIF89a", "image", "image/gif"),
    (b"RIFF\x00\x00\x00\x00WEBP", "image", "image/webp"),
    (b"BM\x00\x00", "image", "image/bmp"),
    (b"%PDF-1.4", "document", "application/pdf"),
    (b"RIFF\x00\x00\x00\x00WAVE", "audio", "audio/wav"),
    (b"ID3\x04", "audio", "audio/mpeg"),
    (b"\xff\xfb\x90", "audio", "audio/mpeg"),
    (b"fLaC", "audio", "audio/flac"),
    (b"OggS", "audio", "audio/ogg"),
    (b"\x00\x00\x00\x18ftypisom", "video", "video/mp4"),
    (b"\x00\x00\x00\x18ftypisom", "audio", "audio/mp4"),
    (b"\x00\x00\x00\x18ftypM4A ", "video", "audio/mp4"),
    (b"\x00\x00\x00\x18ftypqt  ", "video", "video/quicktime"),
    (b"\x00\x00\x00\x18ftypheic", "image", "image/heic"),
    (b"\x1aE\xdf\xa3", "video", "video/webm"),
]


@pytest.mark.parametrize(("head", "kind", "media_type"), MAGIC, ids=lambda v: v if isinstance(v, str) else "")
def test_data_say_what_they_are(head: bytes, kind: str, media_type: str) -> None:
    assert sniff(b64(head + bytes(40)), kind) == media_type  # type: ignore[arg-type]
    assert sniff(b64(head), kind) == media_type  # type: ignore[arg-type]


@pytest.mark.parametrize("data", ["", "!!!!", "AAAA", b64(b"BMW is a maker of cars"), b64(b"\xff\xfb"), "A"])
def test_other_data_say_nothing(data: str) -> None:
    assert sniff(data, "document") is None


@pytest.mark.parametrize(
    ("sent", "fit"),
    [
        (Media("image", data=b64(b"\xff\xd8\xff\xe0"), media_type="image/png"), ("image", "image/jpeg")),
        (Media("image", data="AAAA", media_type="image/jpg"), ("image", "image/jpeg")),
        (Media("image", data="AAAA", media_type="IMAGE/PNG; q=1"), ("image", "image/png")),
        (Media("document", data=b64(b"\x89PNG\r\n\x1a\n")), ("image", "image/png")),
        (Media("image", data=b64(b"%PDF-1.4"), media_type="image/png"), ("document", "application/pdf")),
        (Media("image", data="AAAA", media_type="video/mp4"), ("video", "video/mp4")),
        (Media("image", url="data:text/plain,words"), ("document", "text/plain")),
        (Media("document", data="PHN2Zz4=", media_type="image/svg+xml"), ("document", "image/svg+xml")),
        (Media("audio", data="AAAA", media_type="audio/x-wav"), ("audio", "audio/wav")),
    ],
)
def test_wrong_or_missing_types_are_repaired(sent: Media, fit: tuple[str, str]) -> None:
    found = repaired(sent)
    assert (found.kind, found.media_type) == fit
    assert found.data is not None
    assert found.url is None
    assert repaired(found) is found


def test_what_is_right_is_not_touched() -> None:
    for media in (
        Media("image", url="https://example.org/a"),
        Media("image", data="AAAA", media_type="image/png"),
        Media("image", url="data:image/png;base64,!!"),
        Media("document", file_id="file_1"),
        Media("document", text="words"),
    ):
        assert repaired(media) is media


def test_format_words() -> None:
    for word in ("wav", "mp3", "m4a", "flac", "ogg"):
        assert audio_word(audio_type(word)) == word
    assert (audio_word("audio/mp3"), audio_word("audio/x-wav"), audio_word(None)) == ("mp3", "wav", "wav")
    assert audio_type(None) is None
    assert plain_type("") is None


# -- documents that are text


@pytest.mark.parametrize(
    ("raw", "media_type", "text"),
    [
        ("größe\n".encode(), "text/plain", "größe\n"),
        (b'{"a":1}', "application/json", '{"a":1}'),
        (b"\xef\xbb\xbfa,b", "text/csv", "a,b"),
        ("ö".encode("utf-16"), "text/plain", "ö"),
        (b"def f(): ...", None, "def f(): ..."),
        (b"a: 1", "application/octet-stream", "a: 1"),
        (b"\xff\xf0", "text/plain", None),
        (b"PK\x03\x04\x00", "application/zip", None),
        (b"%PDF-1.4 words", "application/pdf", None),
        (b"\x00\x01", None, None),
    ],
)
def test_a_document_that_is_text(raw: bytes, media_type: str | None, text: str | None) -> None:
    assert document_text(Media("document", data=b64(raw), media_type=media_type)) == text


def test_text_of_documents_is_bounded() -> None:
    whole = b64(b"a" * TEXT_LIMIT)
    assert len(document_text(Media("document", data=whole, media_type="text/plain")) or "") == TEXT_LIMIT
    assert document_text(Media("document", data=b64(b"a" * (TEXT_LIMIT + 1)), media_type="text/plain")) is None


def test_only_documents_are_text() -> None:
    assert document_text(Media("image", data=b64(b"words"))) is None
    assert document_text(Media("document", url="https://example.org/a.txt")) is None
    assert document_text(Media("document", text="t")) == "t"


def test_names_of_text_files() -> None:
    assert all(is_text_name(name) for name in ("a.txt", "A.MD", "x.tar.json", "Makefile", ".env", "a.yml", "a.tsx"))
    assert not any(is_text_name(name) for name in ("a.pdf", "a.png", "a.docx", "txt.bin", "", None))


@pytest.mark.parametrize(
    ("name", "text"), [("c", False), ("h", False), ("a.c", True), ("Makefile", True), (".env", True)]
)
def test_a_name_tells_of_text_by_its_ending(name: str, text: bool) -> None:
    assert is_text_name(name) is text
