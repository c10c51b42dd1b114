"""No key stands in a text that leaves."""

from __future__ import annotations

import base64
import json

import pytest

from dragoman.telemetry.redaction import MASK, Redactor, redact


@pytest.mark.req(102)
@pytest.mark.parametrize(
    "text",
    [
        "refused: {s}",
        "a{s}b",
        "https://x.example/?key={s}",
        '{{"api_key": "{s}"}}',
        "Authorization: Bearer {s}",
        "x-api-key={s}; next",
    ],
)
def test_a_configured_key_never_stays(text: str) -> None:
    secret = "plain/secret+word"
    assert secret not in redact(text.format(s=secret), [secret])


@pytest.mark.req(102)
def test_other_writings_of_a_key_are_masked_too() -> None:
    secret = "plain/secret+word"
    encoded = base64.b64encode(secret.encode()).decode()
    assert redact(f"plain%2Fsecret%2Bword {encoded}", [secret]).count(MASK) == 2


@pytest.mark.req(102)
@pytest.mark.parametrize(
    "secret",
    [
        "sk-abc123def456",
        "sk-or-v1-0123456789abcdef",
        "sk-ant-api03-abcDEF_123",
        "tp-s0123456789",
        "AIzaSyA-1234567890abcdefghijk",
        "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMn",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def",
    ],
)
def test_what_looks_like_a_key_is_masked(secret: str) -> None:
    assert redact(f"said {secret}, then went") == f"said {MASK}, then went"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer "),
        ('{"api-key":"abcdefgh"}', '{"api-key":"'),
        ("redis://user:hunter22@db.example/0", "redis://user:"),
    ],
)
def test_the_rest_of_the_text_stays_readable(text: str, kept: str) -> None:
    assert redact(text).startswith(kept + MASK)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "task-force and disk-usage",
        "the tp-link is down",
        "max_tokens: 12",
        "a: b",
        "a key is needed: Authorization: Bearer KEY, or x-api-key: KEY",
        "Missing bearer authentication in header.",
        "send it as a bearer token",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text, ["", "a"]) == text


def test_a_longer_secret_leaves_no_rest() -> None:
    assert redact("abcdefghij", ["abcdef", "abcdefghij"]) == MASK


@pytest.mark.req(102)
@pytest.mark.parametrize("before", [b"", b"u:", b"me:", b"you:"])
def test_a_key_inside_other_base64_is_masked(before: bytes) -> None:
    secret = "plain/secret+word"
    text = base64.b64encode(before + secret.encode() + b"!").decode()
    assert base64.b64decode(text).count(secret.encode()) == 1
    shown = redact(f"Basic: {text}", [secret])
    assert MASK in shown
    assert text[8:] not in shown


@pytest.mark.req(102)
def test_json_writings_are_masked_in_every_part_of_a_value() -> None:
    secret = 'quo"ted\\key'
    value = {"a": [f"x {secret}", {"b": json.dumps(secret)}], "n": 1}
    assert Redactor([secret]).scrub(value) == {"a": [f"x {MASK}", {"b": f'"{MASK}"'}], "n": 1}
