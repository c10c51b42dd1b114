"""Data of media: base64, data URLs, media types, and documents that are text. Pure functions of strings.

In: what a client sent as data. Out: plain base64 and the true media type. Pictures and films may be tens of megabytes:
they are looked through in slices and never decoded as a whole; only a text document is, and it is bounded.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote, unquote_to_bytes

import msgspec
from msgspec import Raw

from dragoman.core.messages import Media, MediaKind

TEXT_LIMIT = 4 << 20
"""Most bytes of a document that is turned into text: about what the largest windows hold."""

AUDIO_TYPES: dict[str, str] = {"wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4"}
"""The protocols' word for an audio format -> its media type. Any other word is the subtype itself."""
_AUDIO_WORDS = {media_type: word for word, media_type in AUDIO_TYPES.items()}
_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-flac": "audio/flac",
    "application/x-pdf": "application/pdf",
}
USUAL_TYPES: dict[MediaKind, str] = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}
"""The media type of data that do not say it themselves, where nobody else did."""
_TEXT_NAME = re.compile(
    r"\.(?:txt|text|md|markdown|rst|csv|tsv|jsonl?|ndjson|xml|ya?ml|toml|ini|cfg|conf|env|log|html?|css|svg|sql"
    r"|pyi?|[cm]?jsx?|[cm]?tsx?|java|kt|[ch]|cc|[ch]pp|cs|go|rs|rb|php|pl|lua|r|jl|swift|scala|sh|bash|zsh|ps1|bat"
    r"|tex|bib|diff|patch|srt|vtt|graphql|proto|ipynb|properties|gradle|dockerfile)$|^(?:docker|make)file$",
    re.I,
)
"""Names of files that hold text."""

_SLICE = 1 << 20
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_HEAD = 64
"""Characters of base64 that are looked at for a magic number; a multiple of four."""
_LONGEST_TYPE = 1024
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_CONTAINERS = ((b"OggS", "ogg"), (b"\x1aE\xdf\xa3", "webm"))
_BRANDS = ((b"avi", "image/avif"), (b"hei", "image/heic"), (b"mif1", "image/heic"), (b"M4A", "audio/mp4"))
_MPEG_FRAME = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xfb]", re.S)
_ADTS_FRAME = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]", re.S)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


# -- base64


def clean_base64(data: str) -> str | None:
    """`data` as plain padded base64, None where it is none or empty.

    Line breaks, missing padding, percent signs and the URL-safe alphabet are mended without loss.
    """
    if is_base64(data):
        return data
    if "%" in data:
        data = unquote(data)
    data = data.strip().replace("\r", "").replace("\n", "").replace("\t", "")
    data = data.replace("-", "+").replace("_", "/").rstrip("=")
    data += "=" * (-len(data) % 4)
    return data if is_base64(data) else None


def is_base64(data: str) -> bool:
    """Whether this is plain base64 with its padding, and not empty."""
    if not data or len(data) % 4 or not data.isascii():
        return False
    end = len(data) - data.count("=", -2)
    return not any(data[at : min(at + _SLICE, end)].encode().translate(None, _ALPHABET) for at in range(0, end, _SLICE))


def data_size(data: str) -> int:
    """The bytes that plain base64 stands for."""
    return len(data) * 3 // 4 - data.count("=", -2)


def read_data_url(url: str) -> tuple[str | None, str] | None:
    """(media type, base64) of a data URL, or None for any other URL. The base64 is as it was sent, perhaps empty.

    Data that are percent-encoded become base64; data that are base64 without saying so are taken for it.
    """
    if url[:5].lower() != "data:":
        return None
    comma = url.find(",", 5, 5 + _LONGEST_TYPE)
    if comma < 0:
        return None, ""
    media_type, *rest = (piece.strip().lower() for piece in url[5:comma].split(";"))
    data = url[comma + 1 :]
    if "base64" not in rest and sniff(data) is None:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return media_type or None, data


def data_url(media_type: str | None, data: str) -> str:
    """The data URL for base64 data."""
    return f"data:{media_type or ''};base64,{data}"


def media_options(media: Media) -> dict[str, Raw]:
    """Further fields of a medium (frames a second, citations, ...), raw, by name."""
    if media.options is None:
        return {}
    try:
        return msgspec.json.decode(media.options, type=dict[str, Raw])
    except msgspec.DecodeError:
        return {}


# -- media types


def sniff(data: str, kind: MediaKind | None = None) -> str | None:
    """The media type that base64 data say of themselves, None where they say nothing that is known.

    kind: what the data are meant to be. It decides for containers that hold sounds and films alike, and for signs so
    short that other data may begin with them.
    """
    try:
        head = binascii.a2b_base64(data[:_HEAD])
    except (binascii.Error, ValueError):
        return None
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        found = next((media_type for start, media_type in _BRANDS if brand.startswith(start)), None)
        if found is None and kind != "audio":
            found = "video/quicktime" if brand == b"qt  " else "video/mp4"
        return found or "audio/mp4"
    for magic, name in _CONTAINERS:
        if head.startswith(magic):
            sound = kind == "audio" or (name == "ogg" and kind != "video")
            return f"{'audio' if sound else 'video'}/{name}"
    if kind == "image" and head.startswith(b"BM"):
        return "image/bmp"
    if kind == "audio" and _MPEG_FRAME.match(head):
        return "audio/mpeg"
    if kind == "audio" and _ADTS_FRAME.match(head):
        return "audio/aac"
    return None


def plain_type(media_type: str | None) -> str | None:
    """A media type in its usual spelling, without parameters."""
    if not media_type:
        return None
    bare = media_type.partition(";")[0].strip().lower()
    return _ALIASES.get(bare, bare) or None


def audio_word(media_type: str | None) -> str:
    """The protocols' word for an audio format."""
    known = plain_type(media_type)
    return _AUDIO_WORDS.get(known, known.rpartition("/")[2]) if known else "wav"


def audio_type(word: str | None) -> str | None:
    """The media type that a format word stands for."""
    return None if not word else AUDIO_TYPES.get(word, f"audio/{word}")


def repaired(media: Media) -> Media:
    """The medium with its data apart from a URL, under its true type and kind; the same object where nothing is wrong.

    What the data say of themselves goes before what was said of them: several vendors refuse a picture under another
    picture's type.
    """
    url, data, media_type = media.url, media.data, media.media_type
    if data is None and url is not None and (inline := read_data_url(url)) is not None:
        data = clean_base64(inline[1])
        if data is not None:
            url, media_type = None, inline[0] or media_type
    kind: MediaKind = media.kind
    if data is not None:
        media_type = sniff(data, kind) or plain_type(media_type)
        kind = _kind_of(media_type) or kind
    if (url, data, media_type, kind) == (media.url, media.data, media.media_type, media.kind):
        return media
    return msgspec.structs.replace(media, url=url, data=data, media_type=media_type, kind=kind)


def _kind_of(media_type: str | None) -> MediaKind | None:
    """The kind that a type stands for, None where it leaves that open."""
    if media_type is None or media_type == "image/svg+xml":
        return None
    major = media_type.partition("/")[0]
    if major == "image":
        return "image"
    if major == "audio":
        return "audio"
    if major == "video":
        return "video"
    return "document" if major == "text" or media_type == "application/pdf" else None


# -- documents that are text


def is_text_name(name: str | None) -> bool:
    """Whether a file of this name is known to hold text."""
    return name is not None and _TEXT_NAME.search(name) is not None


def document_text(media: Media) -> str | None:
    """The text of a document that holds plain text, None for any other medium and for more than `TEXT_LIMIT` bytes."""
    if media.kind != "document":
        return None
    if media.text is not None:
        return media.text
    data, media_type = media.data, plain_type(media.media_type)
    if data is None or media_type == "application/pdf" or data_size(data) > TEXT_LIMIT:
        return None
    return text_of_base64(data)


def text_of_base64(data: str) -> str | None:
    """The text that base64 data hold: UTF-8, or UTF-16 with its mark. None where they are no text."""
    try:
        raw = binascii.a2b_base64(data)
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return None if _CONTROL.search(text) else text
