"""The keys that seal: AES-256-GCM under keys from the configuration, or from a private file made on first use.

In: key texts, or a folder. Out: a `KeyBox`. The first key seals, all open; a key of the file that was retired opens for
90 days more. Raises ConfigError, which never quotes a key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dragoman.errors import ConfigError

RETIRED_OPENS_S = 90 * 24 * 3600
"""How long (seconds) a retired key still opens."""
_NONCE = 12
_MIN_TEXT = 8
FILE = "seal.keys"


class StoredKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key in the file. key: base64. created, retired: unix seconds; retired 0 is in use."""

    key: str
    created: int = 0
    retired: int = 0


class KeyBox:
    """Seals with the first key, opens with all."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("at least one key")
        named = [(key_id(key), AESGCM(key)) for key in keys]
        self._current, self._cipher = named[0]
        self._open = dict(reversed(named))

    def seal(self, plain: bytes, bound: bytes) -> tuple[str, bytes]:
        """The current key's id, and nonce + ciphertext."""
        nonce = secrets.token_bytes(_NONCE)
        return self._current, nonce + self._cipher.encrypt(nonce, plain, bound)

    def open(self, key_id: str, sealed: bytes, bound: bytes) -> bytes | None:
        """The plain bytes, or None."""
        cipher = self._open.get(key_id)
        if cipher is None or len(sealed) <= _NONCE:
            return None
        try:
            return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except InvalidTag:
            return None


def key_id(key: bytes) -> str:
    """A key's public name."""
    return hashlib.sha256(b"dragoman key id\x00" + key).hexdigest()[:8]


def read_key(text: str) -> bytes:
    """32 bytes from base64 or hex; any other text is stretched (scrypt). Raises ConfigError where it is too short."""
    text = text.strip()
    for decode in (bytes.fromhex, _base64):
        try:
            raw = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(raw) == 32:
            return raw
    if len(text) < _MIN_TEXT:
        raise ConfigError(
            f"a key in [seal] keys (or DRAGOMAN_SEAL_KEYS) is shorter than {_MIN_TEXT} characters;"
            " make one with: openssl rand -base64 32"
        )
    return Scrypt(salt=b"dragoman seal key", length=32, n=2**14, r=8, p=1).derive(text.encode())


def _base64(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def make_box(keys: Sequence[str], home: Path | None, now: int) -> KeyBox:
    """The box of the configured keys, else of the file in `home`, which is made where it is missing.

    Without keys and home the key lives as long as the process: what it sealed opens only there.
    """
    if keys:
        return KeyBox([read_key(text) for text in keys])
    if home is None:
        return KeyBox([secrets.token_bytes(32)])
    return KeyBox(_usable(_load_or_make(home, now), now))


def rotate(home: Path, now: int) -> None:
    """A new key seals from now on; those before it are retired."""
    stored = _load_or_make(home, now)
    old = [msgspec.structs.replace(k, retired=k.retired or now) for k in stored]
    fresh = [k for k in old if now - k.retired <= RETIRED_OPENS_S]
    path = home / FILE
    part = path.with_name(f"{FILE}.{secrets.token_hex(4)}")
    _write_private(part, [StoredKey(base64.b64encode(secrets.token_bytes(32)).decode(), now), *fresh])
    os.replace(part, path)


def _usable(stored: Sequence[StoredKey], now: int) -> list[bytes]:
    active = [k for k in stored if not k.retired]
    retired = [k for k in stored if k.retired and now - k.retired <= RETIRED_OPENS_S]
    if not active:
        raise ConfigError(f"{FILE} holds no key in use; remove the file and a new one is made")
    return [_base64(k.key) for k in (*active, *retired)]


def _load_or_make(home: Path, now: int) -> list[StoredKey]:
    path = home / FILE
    try:
        if not path.exists():
            _make(path, now)
        return _read(path)
    except OSError as error:
        raise ConfigError(
            f"the seal key cannot be kept in {path} ({error.strerror}); set DRAGOMAN_SEAL_KEYS or DRAGOMAN_HOME"
        ) from error


def _make(path: Path, now: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{FILE}.{secrets.token_hex(4)}")
    try:
        _write_private(part, [StoredKey(base64.b64encode(secrets.token_bytes(32)).decode(), now)])
        # A link fails where another process was first: then its key is the one.
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink(missing_ok=True)


def _write_private(path: Path, keys: list[StoredKey]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(keys)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> list[StoredKey]:
    handle = os.open(path, os.O_RDONLY)
    with os.fdopen(handle, "rb") as file:
        if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise ConfigError(f"{path} can be read by others; run: chmod 600 {path}")
        data = file.read()
    try:
        stored = msgspec.json.decode(data, type=list[StoredKey])
        if any(len(_base64(k.key)) != 32 for k in stored):
            raise ValueError
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path} is not a key file; restore it, or remove it and a new one is made") from error
    return stored
