"""The guard of page fetches: every class of address, every disguise, rebinding, redirects, size and kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from aiohttp import web

from dragoman.search.engine import SearchTimeout, SearchUnavailable
from dragoman.search.guard import Forbidden, Guard, GuardedResolver, is_public
from dragoman.search.pages import MAX_BYTES, MAX_HOPS, MAX_TEXT, PageReader, text_of
from tests.search.pages import site

PRIVATE = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd00:ec2::254"],
    "link-local": ["169.254.1.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
    "shared": ["100.64.0.1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"],
    "documentation": ["2001:db8::1", "fec0::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe"],
    "compatible": ["::127.0.0.1", "::10.0.0.1"],
    "6to4": ["2002:7f00:1::", "2002:0a00:0001::1"],
    "nat64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"],
    "teredo": ["2001:0:7f00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"],
    "nonsense": ["", "nonsense", "1.2.3", "256.1.1.1"],
}
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize(("kind", "address"), [(k, a) for k, group in PRIVATE.items() for a in group])
def test_no_class_of_private_address_is_public(kind: str, address: str):
    assert not is_public(address), kind


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "javascript:alert(1)", "//example.com/", "",
        "http://user:pass@example.com/", "http://example.com@127.0.0.1/", "http://example.com\\@127.0.0.1/",
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
        "http://0177.0.0.1/", "http://017700000001/", "http://0/", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/", "http://[fe80::1%25eth0]/", "http://169.254.169.254/latest/meta-data/",
        "http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://printer.local/", "http://intranet/",
        "http://metadata.google.internal/", "http://1.2.3.4.5/", "http://example.com:22/", "http://example.com:25/",
        "http://example.com:99999/", "http://exa mple.com/", "http://example.com/\r\nHost: x", "http:///x",
        "http://" + "a" * 5000 + ".com/", "http://[not-an-address]/", "http://127.0.0.1.:80/", "http://①②⑦.⓪.⓪.①/",
        "http://127.0.0。1/", "http://127.0.0｡1/", "http://①②⑦.0.0。①/", "http://127.0.0.1。/", "http://a.localhost。/",
    ],
)  # fmt: skip
def test_urls_that_are_refused_by_their_text(url: str):
    with pytest.raises(Forbidden):
        Guard().check_url(url)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://example.com", "example.com", 80),
        ("https://Example.COM./x?y#z", "example.com", 443),
        ("https://example.com:8443/", "example.com", 8443),
        ("http://8.8.8.8/", "8.8.8.8", 80),
        ("http://[2606:4700::1111]/", "2606:4700::1111", 80),
        ("https://münchen.example/", "münchen.example", 443),
    ],
)
def test_urls_of_the_public_internet_pass(url: str, host: str, port: int):
    assert Guard().check_url(url) == (host, port)


def answers(*lists: list[str]) -> Callable[[str, int], object]:
    """A name server that answers differently each time."""
    left = list(lists)

    async def lookup(host: str, port: int) -> list[str]:
        return left.pop(0)

    return lookup


@pytest.mark.parametrize("found", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%2"]])
async def test_a_name_with_one_private_address_is_refused(found: list[str]):
    with pytest.raises(Forbidden):
        await Guard(lookup=answers(found)).resolve("example.com", 443)  # type: ignore[arg-type]


async def test_what_was_judged_is_what_is_connected_to():
    resolver = GuardedResolver(Guard(lookup=answers(["93.184.216.34", "2606:4700::1111"])))  # type: ignore[arg-type]
    found = await resolver.resolve("example.com", 443)
    assert [(entry["host"], entry["hostname"]) for entry in found] == [
        ("93.184.216.34", "example.com"),
        ("2606:4700::1111", "example.com"),
    ]


async def hello(request: web.Request) -> web.StreamResponse:
    if request.path == "/again":
        return web.Response(status=302, headers={"location": "/page"})
    return web.Response(text="<title>T</title><p>hello", content_type="text/html")


async def test_a_name_that_rebinds_between_two_hops_is_refused():
    async with site(hello) as where:
        # 127.0.0.2 reaches the same server, but only 127.0.0.1 may be fetched here.
        guard = Guard([f"127.0.0.1:{where.port}"], lookup=answers(["127.0.0.1"], ["127.0.0.2"]))  # type: ignore[arg-type]
        reader = PageReader(guard)
        with pytest.raises(Forbidden):
            await reader.read(f"http://shop.example:{where.port}/again")
        await reader.close()
    assert [request.path for request in where.asked] == ["/again"]


async def test_a_kept_connection_is_not_used_again_for_a_name():
    async with site(hello) as where:
        guard = Guard([f"127.0.0.1:{where.port}"], lookup=answers(["127.0.0.1"], ["127.0.0.2"]))  # type: ignore[arg-type]
        reader = PageReader(guard)
        assert (await reader.read(f"http://shop.example:{where.port}/page")).text == "hello"
        with pytest.raises(Forbidden):
            await reader.read(f"http://shop.example:{where.port}/page")
        await reader.close()


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2/x",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "http://[::1]/",
        "//localhost/",
        "ftp://x.y/",
    ],
)
async def test_redirects_are_judged_at_each_hop(target: str):
    async def away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"location": target})

    async with site(away) as where:
        reader = PageReader(Guard([f"127.0.0.1:{where.port}"]))
        with pytest.raises(Forbidden):
            await reader.read(where.url + "/start")
        await reader.close()
    assert len(where.asked) == 1


async def test_redirects_end():
    async def round_and_round(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"location": f"/{len(where.asked)}"})

    async with site(round_and_round) as where:
        reader = PageReader(Guard([f"127.0.0.1:{where.port}"]))
        with pytest.raises(SearchUnavailable, match="redirects"):
            await reader.read(where.url)
        await reader.close()
    assert len(where.asked) == MAX_HOPS + 1


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (lambda: web.Response(status=404), "404"),
        (lambda: web.Response(body=b"\x89PNG", content_type="image/png"), "no text"),
        (
            lambda: web.Response(body=b"x", headers={"content-type": "text/plain", "content-encoding": "gzip"}),
            "compressed",
        ),
    ],
)
async def test_pages_that_are_refused(made: Callable[[], web.Response], word: str):
    async def once(request: web.Request) -> web.StreamResponse:
        return made()

    async with site(once) as where:
        reader = PageReader(Guard([f"127.0.0.1:{where.port}"]))
        with pytest.raises(SearchUnavailable, match=word):
            await reader.read(where.url)
        await reader.close()


async def test_a_page_that_never_ends_is_cut():
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/plain"})
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"word " * 10_000)
        except (ConnectionError, asyncio.CancelledError):
            return answer

    async with site(endless) as where:
        reader = PageReader(Guard([f"127.0.0.1:{where.port}"]))
        page = await reader.read(where.url)
        await reader.close()
    assert page.cut
    assert len(page.text) <= MAX_TEXT < MAX_BYTES


async def test_a_page_that_stalls_times_out():
    async def stall(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with site(stall) as where:
        reader = PageReader(Guard([f"127.0.0.1:{where.port}"]), timeout=0.05)
        with pytest.raises(SearchTimeout):
            await reader.read(where.url)
        await reader.close()


async def test_no_cookie_and_no_account_travels():
    async def sticky(request: web.Request) -> web.StreamResponse:
        return web.Response(text="x", headers={"set-cookie": "a=b", "content-type": "text/plain"})

    async with site(sticky) as where:
        reader = PageReader(Guard([f"127.0.0.1:{where.port}"]))
        await reader.read(where.url)
        await reader.read(where.url)
        await reader.close()
    assert [set(request.headers) & {"Cookie", "Authorization"} for request in where.asked] == [set(), set()]


def test_the_text_of_a_page():
    title, text = text_of(
        "<html><head><title> A \n page </title><style>p{}</style></head><body><nav>menu</nav><h1>Head</h1>"
        "<script>var x = '<p>no</p>';</script><p>One  &amp;\n two</p><ul><li>a<li>b</ul><form><b>x</form>end"
    )
    assert (title, text) == ("A page", "Head\nOne & two\na\nb\nend")


@pytest.mark.parametrize("page", ["<p>before</p><![x[ after", "<p>before</p><![CDATA[x", "<p>before</p><a href='"])
def test_a_page_that_is_no_html_costs_only_its_rest(page: str):
    assert text_of(page)[1] == "before"


@pytest.mark.parametrize(
    "page",
    ["<a " * 350_000, "<!" * 500_000, "<nav>" * 50_000 + "</footer></p>" * 50_000, "<p>x</p>" * 130_000],
    ids=["tags", "declarations", "nested", "long"],
)
def test_a_page_that_is_made_to_be_slow_is_not(page: str):
    before = time.process_time()
    text = text_of(page)[1]
    assert time.process_time() - before < 20, "quadratic: it takes minutes"
    assert not text or len(text) > MAX_TEXT


async def test_a_page_may_not_name_an_encoding_that_is_slow_to_read():
    async def puny(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"words-9a" * 1000, headers={"content-type": "text/plain; charset=punycode"})

    async with site(puny) as where:
        reader = PageReader(Guard([f"127.0.0.1:{where.port}"]))
        page = await reader.read(where.url)
        await reader.close()
    assert page.text.startswith("words-9awords")
