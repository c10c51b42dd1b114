"""Who may pass: keys, hosts, origins; and what a public address needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.config import load
from dragoman.errors import ConfigError
from dragoman.gateway.security import check_bind, host_of, is_loopback
from dragoman.gateway.server import make_server
from tests.gateway.asgi import ROADS, Call, answered, body_for, chat, exchanges, make

SECRET = {"DRAGOMAN_API_KEY": "the-key-of-the-gateway"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST.", "::1", "[::1]", "127.8.9.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "example.com", "localhost.evil.com", "10.0.0.1", "127.0.0.1.nip.io"]
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("localhost:3724", "localhost"),
        ("[::1]:3724", "::1"),
        ("A.b:1", "a.b"),
        ("127.0.0.1", "127.0.0.1"),
        ("x.:1", "x"),
    ],
)
def test_host_of(value: str, host: str) -> None:
    assert host_of(value) == host


@pytest.mark.req(145)
@pytest.mark.case("J12")
def test_a_public_address_needs_a_key(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5"):
        with pytest.raises(ConfigError, match="api_key"):
            check_bind(host, None)
        check_bind(host, "key")
    check_bind("127.0.0.1", None)
    env = {"MIMO_API_KEY": "sk-x", "DRAGOMAN_HOME": str(tmp_path), "DRAGOMAN_SERVER__HOST": "0.0.0.0"}
    with pytest.raises(ConfigError, match="DRAGOMAN_API_KEY"):
        make_server(load(path=None, env=env))


@pytest.mark.req(145)
@pytest.mark.case("J12")
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": "Basic the-key-of-the-gateway"},
        {"authorization": "the-key-of-the-gateway"},
        {"x-api-key": "the-key-of-the-gatewa"},
        {"x-api-key": ""},
        {"api-key": "the-key-of-the-gateway"},
    ],
)
async def test_without_the_key_nobody_passes(tmp_path: Path, road: str, headers: dict[str, str]) -> None:
    app = make(tmp_path, env=SECRET)
    call = await Call(app, ROADS[road], body_for(road), headers=headers).run()
    assert call.status == 401
    assert call.error["type"] == ("authentication_error" if road == "messages" else call.error["type"])
    assert ("type" in call.json) == (road == "messages")
    assert "the-key-of" not in call.body.decode()
    told = (
        "server.api_key (DRAGOMAN_API_KEY)"
        if {*headers} & {"authorization", "x-api-key"}
        else "Authorization: Bearer KEY"
    )
    assert told in call.error["message"]
    assert exchanges(app).exchanges == []


@pytest.mark.case("J12")
@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer the-key-of-the-gateway"},
        {"authorization": "bearer  the-key-of-the-gateway"},
        {"x-api-key": "the-key-of-the-gateway"},
    ],
)
async def test_the_key_passes_in_either_header_and_from_any_host(tmp_path: Path, headers: dict[str, str]) -> None:
    app = make(tmp_path, env=SECRET)
    call = await Call(app, "/v1/models", method="GET", headers={"host": "gw.example.com", **headers}).run()
    assert call.status == 200


@pytest.mark.req(154)
@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes_need_no_key(tmp_path: Path, path: str, method: str) -> None:
    call = await Call(make(tmp_path, env=SECRET), path, method=method).run()
    assert call.status == 200


@pytest.mark.req(145)
@pytest.mark.parametrize("path", [*ROADS.values(), "/v1/models", "/", "/v1/responses/resp_1"])
@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.com:3724", "localhost.evil.com", "", "10.0.0.7"])
async def test_without_a_key_a_foreign_host_name_is_misdirected(tmp_path: Path, path: str, host: str) -> None:
    call = await Call(make(tmp_path), path, {}, headers={"host": host}).run()
    assert call.status == 421


async def test_a_missing_host_is_misdirected(tmp_path: Path) -> None:
    call = Call(make(tmp_path), "/v1/models", method="GET")
    call.scope["headers"] = []
    assert (await call.run()).status == 421


@pytest.mark.req(145)
@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example.com", "http://localhost:8080", "http://127.0.0.1:3724"]
)
@pytest.mark.parametrize("road", ROADS)
async def test_without_a_key_no_web_page_may_call(tmp_path: Path, origin: str, road: str) -> None:
    app = make(tmp_path)
    call = await Call(app, ROADS[road], body_for(road), headers={"origin": origin}).run()
    assert call.status == 403
    assert not [name for name in call.headers if name.startswith("access-control")]
    assert exchanges(app).exchanges == []


@pytest.mark.req(145)
async def test_allowed_hosts_and_origins_pass(tmp_path: Path) -> None:
    config = '[server]\nallowed_hosts = ["gw.lan"]\nallowed_origins = ["https://app.lan"]\n'
    app = make(tmp_path, config)
    headers = {"host": "GW.lan:3724", "origin": "https://app.lan"}
    call = await Call(app, "/v1/models", method="GET", headers=headers).run()
    assert call.status == 200
    assert call.headers["access-control-allow-origin"] == "https://app.lan"
    asked = await Call(
        app, ROADS["chat"], method="OPTIONS", headers={**headers, "access-control-request-headers": "authorization"}
    ).run()
    assert asked.status == 204
    assert asked.headers["access-control-allow-headers"] == "authorization"
    other = await Call(app, "/v1/models", method="GET", headers={"host": "gw.lan", "origin": "https://other.lan"}).run()
    assert other.status == 403


async def test_no_cors_headers_by_default(tmp_path: Path) -> None:
    call = await answered(make(tmp_path), "chat", chat("x"))
    assert not [name for name in call.headers if name.startswith("access-control")]


async def test_a_websocket_is_closed(tmp_path: Path) -> None:
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    await make(tmp_path)({"type": "websocket", "path": "/v1/responses"}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
