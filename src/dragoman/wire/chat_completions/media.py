"""Media parts of Chat messages, read and written: image_url, input_audio, video_url, file and file_url.

In: the typed fields of a part, or a canonical medium and the profile. Out: the medium, or the part. `video_url` and
`file_url` are parts that several vendors share and the protocol's own page does not have. Raises InvalidRequest with
the path of the field at fault.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.media_data import audio_type, audio_word, data_url, media_options
from dragoman.core.messages import Media, MediaKind
from dragoman.core.profile import Profile
from dragoman.errors import InvalidRequest
from dragoman.wire.media import UNNAMED_PDF, file_data, linked, sound


class Url(msgspec.Struct):
    """The address in a part; some clients write it as a bare string."""

    url: str
    detail: str | None = None


class Audio(msgspec.Struct):
    """`input_audio`: base64 and a format word, or with some vendors a URL or a data URL."""

    data: str = ""
    format: str | None = None


class File(msgspec.Struct):
    """`file`: its content, or the id under which the vendor keeps it."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None
    url: str | None = None


def missing(path: str, field: str) -> InvalidRequest:
    """A refusal of a part without the field that its type needs."""
    where = f"{path}.{field}"
    return InvalidRequest(f"{where} is missing; a part of this type needs it", param=where)


# -- reading


def read_link(
    kind: MediaKind, link: str | Url | None, path: str, field: str, cache: Raw | None, options: Raw | None = None
) -> Media:
    """An image, film or file by its address."""
    if link is None:
        raise missing(path, field)
    url, detail = (link, None) if isinstance(link, str) else (link.url, link.detail)
    where = f"{path}.{field}" if isinstance(link, str) else f"{path}.{field}.url"
    if not url:
        raise InvalidRequest(f"{where} must not be empty", param=where)
    return linked(kind, url, where, detail=detail, options=options, cache=cache)


def read_audio(audio: Audio | None, path: str, cache: Raw | None) -> Media:
    """A sound."""
    if audio is None or not audio.data:
        raise missing(path, "input_audio.data")
    return sound(audio.data, f"{path}.input_audio.data", audio_type(audio.format), cache)


def read_file(file: File | None, path: str, cache: Raw | None) -> Media:
    """A file."""
    if file is None or not (file.file_data or file.file_id or file.url):
        raise missing(path, "file.file_data")
    data = media_type = text = None
    if file.file_data:
        data, media_type, text = file_data(file.file_data, file.filename, f"{path}.file.file_data")
    return Media(
        "document",
        url=file.url,
        data=data,
        media_type=media_type,
        file_id=file.file_id,
        name=file.filename,
        text=text,
        cache=cache,
    )


# -- writing


def write_media(block: Media, profile: Profile) -> dict[str, Any]:
    """The part for a medium that the upstream takes."""
    if block.kind == "audio":
        return {"type": "input_audio", "input_audio": _audio(block, profile)}
    url = block.url or data_url(block.media_type, block.data or "")
    if block.kind == "image":
        image: dict[str, Any] = {"url": url}
        if block.detail is not None and profile.media_detail:
            image["detail"] = block.detail
        return {"type": "image_url", "image_url": image}
    if block.kind == "video":
        video: dict[str, Any] = {"type": "video_url", "video_url": {"url": url}}
        return {**video, **media_options(block)}
    if block.text is not None and block.data is None and block.url is None and block.file_id is None:
        return {"type": "text", "text": block.text}
    if block.url is not None:
        return {"type": "file_url", "file_url": {"url": block.url}}
    file: dict[str, Any] = {}
    if block.data is not None:
        file["file_data"] = data_url(block.media_type, block.data) if block.media_type else block.data
    if block.file_id is not None:
        file["file_id"] = block.file_id
    if block.name is not None:
        file["filename"] = block.name
    elif profile.file_names and block.data is not None and block.media_type == "application/pdf":
        file["filename"] = UNNAMED_PDF
    return {"type": "file", "file": file}


def _audio(block: Media, profile: Profile) -> dict[str, Any]:
    """The protocol wants bare base64 and a format word; some vendors document a URL or a data URL instead."""
    if profile.audio_data_url:
        return {"data": block.url or data_url(block.media_type or "audio/wav", block.data or "")}
    audio: dict[str, Any] = {"data": block.url or block.data or ""}
    if block.media_type is not None:
        audio["format"] = audio_word(block.media_type)
    return audio
