"""Content parts of the Responses protocol, read into canonical blocks and written again.

A part that nobody knows is kept as text in a tool result, kept opaque in an assistant's message, and refused in what
the user says: there its loss would change the question.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.media_data import audio_type, audio_word, data_url, media_options
from dragoman.core.messages import Media, MediaKind, Opaque, Text
from dragoman.core.notes import Note
from dragoman.core.profile import Profile
from dragoman.wire.media import UNNAMED_PDF, file_data, linked, sound
from dragoman.wire.parse import absent, is_list, is_object, is_string, read
from dragoman.wire.responses.fields import NOTHING, invalid, text_of
from dragoman.wire.responses.output import annotation


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
    encrypted_content: str | None = None
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


_ENCRYPTED = "gAAAA"
"""How encrypted texts of the official server begin."""
_LOCATION = re.compile(rb'"type":\s*"\w+_location"')
"""The kinds of citations that the Messages protocol has."""
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
    if kind == "encrypted_content" and part.encrypted_content:
        # What one agent tells another. Only the official server encrypts it; elsewhere it is the text itself.
        if not part.encrypted_content.startswith(_ENCRYPTED):
            return Text(part.encrypted_content)
        notes.append(Note("item_dropped", path, "an encrypted message of another agent cannot be read here"))
        return Text("[an encrypted message was left out]")
    if kind in ("input_image", "image_url", "computer_screenshot"):
        image = part.image_url
        if isinstance(image, _Url):
            return _media("image", image.url, part, path, image.detail or part.detail, "image_url.url")
        return _media("image", image, part, path, part.detail)
    if kind == "input_file":
        return _file(part, path)
    if kind == "input_audio":
        if part.input_audio is not None:
            return _sound(part.input_audio, f"{path}.input_audio")
        return _media("audio", part.audio_url, part, path)
    if kind == "input_video":
        film = part.video_url.url if isinstance(part.video_url, _Url) else part.video_url
        return _media("video", film, part, path)
    return None


def _media(
    kind: MediaKind, url: str | None, part: _Part, path: str, detail: str | None = None, field: str = ""
) -> Media:
    if not url and not part.file_id:
        raise invalid(path, f"{path} has neither a URL nor a file_id; add one")
    options: dict[str, Raw] = {}
    if not absent(part.fps):
        options["fps"] = part.fps
    if not absent(part.media_resolution):
        options["media_resolution"] = part.media_resolution
    extra = Raw(msgspec.json.encode(options)) if options else None
    if url:
        found = linked(kind, url, f"{path}.{field or f'{kind}_url'}", detail=detail, options=extra)
        return found if part.file_id is None else msgspec.structs.replace(found, file_id=part.file_id)
    return Media(kind, file_id=part.file_id, detail=detail, options=extra)


def _sound(audio: _Audio, path: str) -> Media:
    if not audio.data:
        raise invalid(f"{path}.data", f"{path}.data is missing; send the sound in base64")
    return sound(audio.data, f"{path}.data", audio_type(audio.format))


def _file(part: _Part, path: str) -> Media:
    if not (part.file_data or part.file_url or part.file_id):
        raise invalid(path, f"{path} has neither file_data, file_url nor file_id; add one")
    data = media_type = text = None
    if part.file_data:
        data, media_type, text = file_data(part.file_data, part.filename, f"{path}.file_data")
    url = part.file_url
    if url is not None and data is None and (found := linked("document", url, f"{path}.file_url")).data is not None:
        url, data, media_type = None, found.data, found.media_type
    return Media(
        "document",
        url=url,
        data=data,
        media_type=media_type,
        file_id=part.file_id,
        detail=part.detail,
        name=part.filename,
        text=text,
    )


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


def encode_part(block: Text | Media, role: str, profile: Profile) -> dict[str, Any]:
    """One part for an upstream with this profile."""
    if isinstance(block, Text):
        if role == "assistant":
            if block.refusal:
                return {"type": "refusal", "refusal": block.text}
            return {"type": "output_text", "text": block.text, "annotations": _cited(block)}
        return {"type": "input_text", "text": block.text}
    body: dict[str, Any] = {}
    url = block.url
    if block.data is not None and block.kind != "document":
        if block.kind == "audio" and not block.options and not profile.audio_data_url:
            sound = {"data": block.data, "format": audio_word(block.media_type)}
            return {"type": "input_audio", "input_audio": sound}
        url = data_url(block.media_type or "application/octet-stream", block.data)
    if block.kind == "document":
        body["type"] = "input_file"
        if block.data is not None:
            body["file_data"] = data_url(block.media_type, block.data) if block.media_type else block.data
        if url:
            body["file_url"] = url
        if block.name is not None:
            body["filename"] = block.name
        elif profile.file_names and block.data is not None and block.media_type == "application/pdf":
            body["filename"] = UNNAMED_PDF
    else:
        body["type"] = f"input_{block.kind}"
        if url:
            body[f"{block.kind}_url"] = url
    if block.file_id is not None:
        body["file_id"] = block.file_id
    if block.detail is not None and profile.media_detail:
        body["detail"] = block.detail
    options = media_options(block)
    body.update(options if profile.media_detail else {k: v for k, v in options.items() if _fits(k, block.kind)})
    return body


def _cited(block: Text) -> list[Raw]:
    """The citations in this protocol's form; kinds that only another protocol has are left out."""
    told = [annotation(raw, len(block.text)) for raw in block.annotations]
    return [raw for raw in told if not _LOCATION.search(bytes(raw))]


def _fits(option: str, kind: MediaKind) -> bool:
    """Whether a strict server knows the option: frames a second and resolution, of films."""
    return kind == "video" and option in ("fps", "media_resolution")
