"""What a vendor's own web search found, as this wire tells of it.

Two forms are documented: `annotations` without positions, all of them in the first packet of a stream, with
`error_message` where the search failed; and a list `web_search` beside the choices, whose pages the text cites by a
label (`refer`). Annotations with positions are citations and no business of this module.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from dragoman.core.assemble import Assembler
from dragoman.core.citations import read_source
from dragoman.core.events import Event, Noted
from dragoman.core.notes import Note
from dragoman.wire.chat_completions.shapes import sent


class _Annotation(msgspec.Struct):
    type: str = ""
    url: str | None = None
    start_index: int | None = None


def take_annotations(raws: list[Raw], assembler: Assembler, out: list[Event]) -> list[Raw]:
    """Takes the pages among these annotations; gives back the citations."""
    rest, pages = [], []
    for raw in raws:
        page = read_source(raw) if _is_page(raw) else None
        if page is not None:
            pages.append(page)
        elif sent(raw):
            rest.append(raw.copy())
    if pages:
        assembler.search(pages, out, every=True)
    return rest


def _is_page(raw: Raw) -> bool:
    try:
        found = msgspec.json.decode(raw, type=_Annotation)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return found.type == "url_citation" and found.url is not None and found.start_index is None


class _Labelled(msgspec.Struct):
    refer: str | None = None


def take_pages(raw: Raw, assembler: Assembler, out: list[Event]) -> None:
    """Takes a list of pages; what is none is passed over."""
    try:
        items = msgspec.json.decode(raw, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    pages, labels = [], []
    for item in items:
        page = read_source(item)
        if page is not None:
            pages.append(page)
            labels.append(_label(item))
    if pages:
        assembler.search(pages, out, labels=labels, every=False)


def _label(raw: Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=_Labelled).refer or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def take_failure(message: str, assembler: Assembler, out: list[Event]) -> None:
    """Takes the reason for which the search failed. A note tells it where no block can, and to clients without one."""
    assembler.search_failed(message, out)
    out.append(Noted(Note("search_failed", "", message[:200])))
