"""Reads one web page as text, behind the guard.

In: a URL that nobody here chose. Out: title and text, bounded. Redirects are followed by hand, each hop judged anew;
no cookies, no proxies, no compressed bodies; a page that is too long is cut, one that is no text is refused.
"""

from __future__ import annotations

import asyncio
import codecs
import html
import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import urljoin

import aiohttp
import msgspec
from yarl import URL

from dragoman.search.engine import SearchTimeout, SearchUnavailable
from dragoman.search.guard import Forbidden, Guard, GuardedResolver

MAX_BYTES = 1024 * 1024
MAX_HOPS = 5
MAX_TEXT = 8000
"""Longest text of a page (characters)."""
_TYPES = frozenset(
    {"text/html", "application/xhtml+xml", "text/plain", "text/markdown", "application/json", "text/xml"}
    | {"application/xml", "text/csv"}
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SLICE = 32 * 1024
_NO_PAGE = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape"})
"""Encodings of Python's that no page is written in; `punycode` takes quadratic time."""
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([A-Za-z0-9_:.-]{1,40})""", re.I)


class Page(msgspec.Struct, frozen=True):
    """What was read. url: where it was found in the end. cut: there was more."""

    url: str
    title: str
    text: str
    cut: bool = False


class PageReader:
    """Reads pages. timeout: seconds for one page with all its redirects."""

    def __init__(self, guard: Guard | None = None, timeout: float = 10.0, user_agent: str = "dragoman") -> None:
        self._guard = guard or Guard()
        self._timeout = timeout
        self._agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def read(self, url: str) -> Page:
        """The page. Raises Forbidden, SearchTimeout or SearchUnavailable."""
        session = self._open()
        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(MAX_HOPS + 1):
                    self._guard.check_url(url)
                    # Judged once more as the one who connects reads it: two parsers may see two hosts in one text.
                    where = URL(url)
                    self._guard.check_url(str(where))
                    async with session.get(where, allow_redirects=False) as answer:
                        if answer.status not in _REDIRECTS:
                            return await _page(url, answer)
                        target = answer.headers.get("location", "")
                    url = urljoin(url, target).partition("#")[0]
                raise SearchUnavailable(f"the page redirects more than {MAX_HOPS} times")
        except TimeoutError:
            raise SearchTimeout(f"the page was not there within {self._timeout:g} s") from None
        except aiohttp.ClientError as error:
            if isinstance(error.__cause__, Forbidden):
                raise error.__cause__ from None
            raise SearchUnavailable(f"the page cannot be read ({type(error).__name__})") from None
        except (OSError, ValueError) as error:
            raise SearchUnavailable(f"the page cannot be read ({type(error).__name__})") from None

    async def close(self) -> None:
        """Closes the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # force_close: a kept connection would be used again without a fresh judgement of its name.
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self._guard), use_dns_cache=False, force_close=True, limit=16
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                headers={
                    "accept": "text/html, text/plain, application/json;q=0.8",
                    "accept-encoding": "identity",
                    "user-agent": self._agent,
                },
            )
        return self._session


async def _page(url: str, answer: aiohttp.ClientResponse) -> Page:
    if answer.status != 200:
        raise SearchUnavailable(f"the page answers HTTP {answer.status}")
    if answer.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise SearchUnavailable("the page comes compressed although that was not asked for")
    kind = answer.content_type.lower()
    if kind not in _TYPES:
        raise SearchUnavailable(f"the page is no text ({kind[:80]})")
    parts: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_chunked(32 * 1024):
        parts.append(piece)
        size += len(piece)
        if size > MAX_BYTES:
            break
    data = b"".join(parts)[:MAX_BYTES]
    source = data.decode(_charset(answer.charset, data), "replace")
    # In a thread: a page may be made to be slow to read, and other answers are being streamed here.
    title, text = await asyncio.to_thread(text_of, source) if "html" in kind else ("", source)
    text = text.strip()
    return Page(url, title, text[:MAX_TEXT], size > MAX_BYTES or len(text) > MAX_TEXT)


def _charset(named: str | None, data: bytes) -> str:
    found = None if named else _CHARSET.search(data[:4096])
    name = named or (found[1].decode("ascii") if found else "utf-8")
    try:
        info = codecs.lookup(name)
    except LookupError:
        return "utf-8"
    # Codecs such as `hex` and `zip` turn bytes into bytes; only those for text may be named by a page.
    return info.name if getattr(info, "_is_text_encoding", True) and info.name not in _NO_PAGE else "utf-8"


_SPACES = re.compile(r"\s+")
_HIDDEN = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "nav", "footer", "form", "button"})
_BLOCKS = frozenset(
    {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "pre", "table", "ul", "ol"}
    | {"blockquote", "dd", "dt", "hr", "header", "main"}
)


class _Text(HTMLParser):
    """Collects what a reader would see. size: characters of it so far, white space at the ends of pieces aside."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.size = 0
        self.parts: list[str] = []
        self.title: list[str] = []
        self._hidden: list[str] = []
        self._open: Counter[str] = Counter()  # the same, counted: a page may nest them ten thousands deep
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element opens."""
        if tag in _HIDDEN:
            self._hidden.append(tag)
            self._open[tag] += 1
        elif tag == "title":
            self._in_title = True
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """An element closes; one that hides is closed with all that was left open in it."""
        if tag in _HIDDEN:
            before = self._open[tag]
            while before and self._open[tag] == before:
                self._open[self._hidden.pop()] -= 1
        elif tag == "title":
            self._in_title = False
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._in_title:
            self.title.append(data)
        elif not self._hidden:
            text = _SPACES.sub(" ", data)
            self.size += len(text.strip())
            self.parts.append(text)


def text_of(source: str) -> tuple[str, str]:
    """Title and visible text of an HTML page: all of it, or more than `MAX_TEXT` characters from its start."""
    parser = _Text()
    try:
        for at in range(0, len(source), _SLICE):
            if parser.size > MAX_TEXT:
                break
            parser.feed(source[at : at + _SLICE])
        else:
            # What was held back as perhaps not whole. `close` would read to the end from each `<` of an unclosed tag.
            parser.handle_data(html.unescape(parser.rawdata.partition("<")[0]))
    except AssertionError:  # the parser's word for a declaration that it does not know, such as `<![x[`
        pass
    lines = (" ".join(line.split()) for line in "".join(parser.parts).splitlines())
    return " ".join("".join(parser.title).split()), "\n".join(line for line in lines if line)
