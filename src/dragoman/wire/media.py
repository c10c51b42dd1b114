"""Media as clients send them, whatever their protocol calls the fields: by URL, as a data URL, or as bare base64.

In: the field's text and its path. Out: canonical media. Raises InvalidRequest that names the part where the data are
empty or no base64. Nothing is fetched, and nothing is judged by what a model can take: that is `core.media`.
"""

from __future__ import annotations

import re

from msgspec import Raw

from dragoman.core.media_data import (
    clean_base64,
    is_base64,
    is_text_name,
    plain_type,
    read_data_url,
    sniff,
    text_of_base64,
)
from dragoman.core.messages import Media, MediaKind
from dragoman.errors import InvalidRequest

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*:")


def inline(data: str, path: str, media_type: str | None = None) -> tuple[str, str | None]:
    """(base64, media type) of bare base64 or of a data URL. media_type: what the client said beside it."""
    data = data.strip()
    found = read_data_url(data)
    if found is not None:
        media_type, data = found[0] or media_type, found[1]
    if not data:
        raise InvalidRequest(f"{path} holds no data; send the file's content in base64", param=path)
    clean = clean_base64(data)
    if clean is None:
        raise InvalidRequest(
            f"{path} is not valid base64; send the file's content in base64, with or without data:...;base64, in front",
            param=path,
        )
    return clean, media_type


def linked(
    kind: MediaKind,
    url: str,
    path: str,
    *,
    media_type: str | None = None,
    detail: str | None = None,
    options: Raw | None = None,
    cache: Raw | None = None,
) -> Media:
    """A medium from a field that holds a URL, a data URL, or, as some clients write it, bare base64."""
    url = url.strip()
    if url[:5].lower() != "data:" and (_SCHEME.match(url) or sniff(url, kind) is None):
        return Media(kind, url=url, media_type=media_type, detail=detail, options=options, cache=cache)
    data, media_type = inline(url, path, media_type)
    return Media(kind, data=data, media_type=media_type, detail=detail, options=options, cache=cache)


def sound(data: str, path: str, media_type: str | None, cache: Raw | None = None) -> Media:
    """A sound from a field that is meant for base64, and in which some clients write a URL."""
    if _SCHEME.match(data.strip()):
        return linked("audio", data, path, media_type=media_type, cache=cache)
    data, media_type = inline(data, path, media_type)
    return Media("audio", data=data, media_type=media_type, cache=cache)


UNNAMED_PDF = "document.pdf"
"""The name of a PDF that came without one, for vendors that want a name beside the data."""


def file_data(data: str, name: str | None, path: str) -> tuple[str | None, str | None, str | None]:
    """(base64, media type, text) of a file's content. A file that by its name holds text may be sent as that text."""
    if read_data_url(data) is None and is_text_name(name):
        if is_base64(data) and text_of_base64(data) is not None:
            return data, None, None
        return None, None, data
    clean, media_type = inline(data, path)
    return clean, plain_type(media_type), None
