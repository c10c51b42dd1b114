"""Citations: where in a text a source is cited, and the one raw form that all wires translate from and to.

In: a text and the sources that it may cite. Out: `url_citation` objects, flat, with positions in characters of the
text. The rule, for vendors and for the managed search alike: a source is cited where the text holds its marker - its
number or the vendor's own label in square brackets - or its address; code is not looked into. A source without such a
place is cited at the end of the text, but only where no source has a place, or where `every` says that all were cited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dragoman.core.messages import SearchSource

_NUMBERS = re.compile(r"[\[【]\s*(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】]")
_LABEL = re.compile(r"[\[【]\s*([A-Za-z][\w-]{0,40})\s*[\]】]")
_CODE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)|`[^`\n]+`", re.S | re.M)
_MORE = re.compile(r"[\w/%?=&#~+@:.-]")
MOST = 200
"""Most citations of one text: a text that repeats a marker must not fill the answer with annotations."""


class Citation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One citation. text: what of the source is cited. start, end: characters of the citing text; None is not known."""

    url: str
    title: str = ""
    text: str = ""
    start: int | None = None
    end: int | None = None


def cite(
    text: str, sources: Sequence[SearchSource], *, labels: Sequence[str] = (), every: bool = False
) -> list[Citation]:
    """The citations of `text`, in the order of their places. labels: the vendor's own marks, one a source."""
    out: list[Citation] = []
    ends: dict[int, int] = {}  # number of a source -> where it was cited last
    for start, end, number in sorted(_places(text, sources, labels)):
        if start > ends.get(number, -2) + 1:  # else the address that stands beside the marker
            out.append(_of(sources[number], start, end))
        ends[number] = max(end, ends.get(number, 0))
        if len(out) == MOST:
            return out
    if every or not out:
        out += [_of(source, len(text), len(text)) for n, source in enumerate(sources) if n not in ends]
    return out[:MOST]


def annotated(
    text: str, sources: Sequence[SearchSource], *, labels: Sequence[str] = (), every: bool = False
) -> tuple[Raw, ...]:
    """The citations of `text` in the canonical raw form."""
    return tuple(annotation(citation) for citation in cite(text, sources, labels=labels, every=every))


def _of(source: SearchSource, start: int, end: int) -> Citation:
    return Citation(source.url, source.title, source.text, start, end)


def _places(text: str, sources: Sequence[SearchSource], labels: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """(start, end, number of the source from 0) of everything that cites."""
    if not sources or not text:
        return
    code = [match.span() for match in _CODE.finditer(text)] if "`" in text or "~~~" in text else []

    def outside(at: int) -> bool:
        return not any(a <= at < b for a, b in code)

    if "[" in text or "【" in text:
        for match in _NUMBERS.finditer(text):
            if outside(match.start()):
                for word in re.findall(r"\d+", match[1]):
                    if 1 <= int(word) <= len(sources):
                        yield match.start(), match.end(), int(word) - 1
        known = {label.lower(): n for n, label in reversed(list(enumerate(labels))) if label}
        for match in _LABEL.finditer(text) if known else ():
            place = known.get(match[1].lower())
            if place is not None and outside(match.start()):
                yield match.start(), match.end(), place
    for n, source in enumerate(sources):
        at = text.find(source.url) if source.url else -1
        while at >= 0:
            end = at + len(source.url)
            if outside(at) and not (_MORE.match(text, end) and not _ends(text, end)):
                yield at, end, n
            at = text.find(source.url, end)


def _ends(text: str, at: int) -> bool:
    """Whether the address ends here though a mark that addresses may hold follows: a sentence ends so too."""
    return text[at] in ".:?" and not (at + 1 < len(text) and _MORE.match(text, at + 1))


# -- the raw form


def annotation(citation: Citation) -> Raw:
    """A citation in the canonical form: flat, as the Responses protocol has it, with the cited text beside it."""
    body: dict[str, Any] = {"type": "url_citation", "url": citation.url, "title": citation.title}
    if citation.start is not None and citation.end is not None:
        body |= {"start_index": citation.start, "end_index": citation.end}
    if citation.text:
        body["summary"] = citation.text
    return Raw(msgspec.json.encode(body))


class _Source(msgspec.Struct):
    url: str | None = None
    title: str | None = None
    summary: str | None = None
    content: str | None = None
    cited_text: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Known(_Source):
    type: str = ""
    url_citation: _Source | None = None


_KINDS = frozenset({"", "url_citation", "web_search_result_location"})


def read_citation(raw: Raw) -> Citation | None:
    """A web citation in any form that vendors and clients send: flat, nested, or as a search result's location."""
    try:
        value = msgspec.json.decode(raw, type=_Known)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    source = value.url_citation or value
    if value.type not in _KINDS or not source.url:
        return None
    text = source.cited_text or source.summary or source.content or ""
    return Citation(source.url, source.title or "", text, source.start_index, source.end_index)


def is_placed(raw: Raw) -> bool:
    """Whether a citation can be told before its text is whole: it says where it stands, or is none of a web page."""
    found = read_citation(raw)
    return found is None or found.end is not None


class _Page(msgspec.Struct):
    """A page as search vendors describe one, whatever they call its fields."""

    url: str | None = None
    link: str | None = None
    title: str | None = None
    summary: str | None = None
    content: str | None = None
    site_name: str | None = None
    media: str | None = None
    publish_time: str | None = None
    publish_date: str | None = None


def read_source(raw: Raw) -> SearchSource | None:
    """A page that a vendor's search found, or None where it has no address or is none."""
    try:
        page = msgspec.json.decode(raw, type=_Page)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    url = page.url or page.link
    if not url:
        return None
    text = page.summary or page.content or ""
    return SearchSource(
        url,
        page.title or "",
        text,
        page.publish_time or page.publish_date or None,
        page.site_name or page.media or None,
    )
