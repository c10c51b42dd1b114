"""Inline media: data URLs, and the words that the Chat protocol has for audio formats."""

from __future__ import annotations

import re

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?);base64,", re.I)

AUDIO_TYPES: dict[str, str] = {"wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4"}
"""A format word of the protocol -> its media type. Any other word is the subtype itself."""
_AUDIO_WORDS = {media_type: word for word, media_type in AUDIO_TYPES.items()}


def read_data_url(url: str) -> tuple[str | None, str] | None:
    """(media type, base64 data) of a data URL, or None for any other URL."""
    match = _DATA_URL.match(url)
    return None if match is None else ((match[1] or None), url[match.end() :])


def data_url(media_type: str | None, data: str) -> str:
    """The data URL for base64 data."""
    return f"data:{media_type or ''};base64,{data}"


def audio_word(media_type: str | None) -> str:
    """The protocol's word for an audio format."""
    if not media_type:
        return "wav"
    return _AUDIO_WORDS.get(media_type, media_type.rpartition("/")[2])
