"""Content parts of the Responses protocol, read into canonical blocks and written again.

A part that nobody knows is kept as text in a tool result, kept opaque in an assistant's message, and refused in what
the user says: there its loss would change the question.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import Media, MediaKind, Opaque, Text
from dragoman.core.notes import Note
from dragoman.wire.parse import absent, read
from dragoman.wire.responses.fields import NOTHING, invalid, is_list, is_object, is_string, text_of


class _Url(msgspec.Struct):
    url: str | None = None
    detail: str | None = None


class _Audio(msgspec.Struct):
    data: str | None = None
    format: str | None = None


class _Part(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    annotations: list[Raw] | None = None
    image_url: str | _Url | None = None
    audio_url: str | None = None
    video_url: str | _Url | None = None
    input_audio: _Audio | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    detail: str | None = None
    prompt_cache_breakpoint: Raw = NOTHING
    fps: Raw = NOTHING
    media_resolution: Raw = NOTHING


_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text"})


def decode_parts(raw: Raw | None, path: str, role: str, notes: list[Note]) -> list[Text | Media | Opaque]:
    """A message's content: a string, a list of parts, or null."""
    if raw is None or absent(raw):
        return []
    if is_string(raw):
        return [Text(read(raw, str, path))]
    if not is_list(raw):
        raise invalid(path, f"{path} must be a string or a list of parts")
    out: list[Text | Media | Opaque] = []
    for i, item in enumerate(read(raw, list[Raw], path)):
        where = f"{path}[{i}]"
        if is_string(item):
            out.append(Text(read(item, str, where)))
            continue
        part = read(item, _Part, where)
        block = _known(part, where, notes)
        if block is not None:
            out.append(block)
        elif role == "assistant":
            out.append(Opaque(part.type or "", item, "responses"))
        elif role == "tool":
            out.append(Text(text_of(item)))
        else:
            raise invalid(f"{where}.type", f"{where}: content of type {part.type!r} is not understood; send it as text")
    return out


def _known(part: _Part, path: str, notes: list[Note]) -> Text | Media | None:
    if not absent(part.prompt_cache_breakpoint):
        notes.append(Note("cache_mark_dropped", path, "prompt_cache_breakpoint"))
    kind = part.type
    if kind in _TEXTS or (kind is None and part.text is not None):
        if part.text is None:
            raise invalid(f"{path}.text", f"{path}.text is missing; add it")
        return Text(part.text, annotations=tuple(part.annotations or ()))
    if kind == "refusal":
        return Text(part.refusal or part.text or "", refusal=True)
    if kind in ("input_image", "image_url", "computer_screenshot"):
        image = part.image_url
        if isinstance(image, _Url):
            return _media("image", image.url, part, path, image.detail or part.detail)
        return _media("image", image, part, path, part.detail)
    if kind == "input_file":
        return _file(part, path)
    if kind == "input_audio":
        sound = part.input_audio
        if sound is not None:
            return Media("audio", data=sound.data, media_type=f"audio/{sound.format}" if sound.format else None)
        return _media("audio", part.audio_url, part, path)
    if kind == "input_video":
        film = part.video_url.url if isinstance(part.video_url, _Url) else part.video_url
        return _media("video", film, part, path)
    return None


def _media(kind: MediaKind, url: str | None, part: _Part, path: str, detail: str | None = None) -> Media:
    if not url and not part.file_id:
        raise invalid(path, f"{path} has neither a URL nor a file_id; add one")
    options: dict[str, Raw] = {}
    if not absent(part.fps):
        options["fps"] = part.fps
    if not absent(part.media_resolution):
        options["media_resolution"] = part.media_resolution
    extra = Raw(msgspec.json.encode(options)) if options else None
    media_type, data = split_data_url(url)
    if data is not None:
        return Media(kind, data=data, media_type=media_type, detail=detail, options=extra)
    return Media(kind, url=url or None, file_id=part.file_id, detail=detail, options=extra)


def _file(part: _Part, path: str) -> Media:
    if not (part.file_data or part.file_url or part.file_id):
        raise invalid(path, f"{path} has neither file_data, file_url nor file_id; add one")
    media_type, data = split_data_url(part.file_data)
    if part.file_data and data is None:
        data = part.file_data
    return Media(
        "document",
        url=part.file_url,
        data=data,
        media_type=media_type,
        file_id=part.file_id,
        detail=part.detail,
        name=part.filename,
    )


def split_data_url(url: str | None) -> tuple[str | None, str | None]:
    """Media type and base64 text of a plain `data:` URL; (None, None) for anything else."""
    if url and url.startswith("data:"):
        head, found, data = url[5:].partition(";base64,")
        if found and head and ";" not in head and "," not in head:
            return head, data
    return None, None


def decode_output(raw: Raw | None, path: str, notes: list[Note]) -> tuple[tuple[Any, ...], bool, bool]:
    """A tool output: its parts, whether it was a plain string, whether it says that the tool failed."""
    if raw is None or absent(raw):
        return (), False, False
    if is_string(raw):
        return (Text(read(raw, str, path)),), True, False
    if is_object(raw):
        body = read(raw, dict[str, Raw], path)
        failed = bytes(body.get("success", Raw(b""))) == b"false"
        inner = body.get("content")
        if inner is not None and is_string(inner):
            return (Text(read(inner, str, f"{path}.content")),), False, failed
        return (Text(text_of(raw)),), False, failed
    if not is_list(raw):
        return (Text(text_of(raw)),), False, False
    return tuple(decode_parts(raw, path, "tool", notes)), False, False


# -- writing


def encode_part(block: Text | Media, role: str) -> dict[str, Any]:
    """One part for an upstream."""
    if isinstance(block, Text):
        if role == "assistant":
            if block.refusal:
                return {"type": "refusal", "refusal": block.text}
            return {"type": "output_text", "text": block.text, "annotations": block.annotations}
        return {"type": "input_text", "text": block.text}
    body: dict[str, Any] = {}
    url = block.url
    if block.data is not None and block.kind != "document":
        if block.kind == "audio" and not block.options:
            sound = (block.media_type or "audio/wav").removeprefix("audio/")
            return {"type": "input_audio", "input_audio": {"data": block.data, "format": sound}}
        url = f"data:{block.media_type or 'application/octet-stream'};base64,{block.data}"
    if block.kind == "document":
        body["type"] = "input_file"
        if block.data is not None:
            body["file_data"] = f"data:{block.media_type};base64,{block.data}" if block.media_type else block.data
        if url:
            body["file_url"] = url
        if block.name is not None:
            body["filename"] = block.name
    else:
        body["type"] = f"input_{block.kind}"
        if url:
            body[f"{block.kind}_url"] = url
    if block.file_id is not None:
        body["file_id"] = block.file_id
    if block.detail is not None:
        body["detail"] = block.detail
    if block.options is not None and is_object(block.options):
        body.update(msgspec.json.decode(block.options, type=dict[str, Raw]))
    return body
