"""The journal's owner: the key of its digests, locked with the account's token.

The digests are keyed, so that the file alone does not let anyone look up a person by a name or a
phone number. They cannot be recomputed, because the file does not contain the values, so their key
must outlive the token: it is random, and stored in the file, encrypted ("locked") with the token.
When the token is renewed, the key is locked again with the new one.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import blake2b
from typing import NamedTuple

import msgspec

KEY_BYTES = 32
_SALT_BYTES = 16
_TAG_BYTES = 16


class Account(NamedTuple):
    """The account whose journal it is: the API's address and the token."""

    api_url: str
    auth_token: str
    previous_auth_token: str | None = None
    """The token before the last renewal, which can still unlock the journal."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens to try, the current one first."""
        return tuple(token for token in (self.auth_token, self.previous_auth_token) if token)


def keyed_digest(key: bytes, value: object) -> str:
    """Return a keyed hash of a JSON value; a different key gives a different hash."""
    text = msgspec.json.encode(value, order="sorted")
    return blake2b(text, key=key, digest_size=16).hexdigest()


def new_key() -> bytes:
    """Return a key for the digests of a new journal."""
    return secrets.token_bytes(KEY_BYTES)


def key_before_versions(token: str, salt: bytes) -> bytes:
    """Return the key of a journal of the first format, which was derived from the token."""
    return hmac.digest(token.encode(), salt, "sha256")


def lock(key: bytes, token: str) -> bytes:
    """Return the key encrypted with a token: salt, tag and encrypted key."""
    # A one-time pad: as long as the key and used once, because each salt gives another one. So no
    # cipher, and no library for one, is needed.
    salt = secrets.token_bytes(_SALT_BYTES)
    locked = _xor(key, _pad(token, salt))
    return salt + _tag(token, salt + locked) + locked


def unlock(box: bytes, token: str) -> bytes | None:
    """Return the key, or ``None`` if it was locked with another token."""
    # The tag is checked first: with a wrong token the pad would give a wrong key, not an error.
    salt, rest = box[:_SALT_BYTES], box[_SALT_BYTES:]
    tag, locked = rest[:_TAG_BYTES], rest[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(token, salt + locked)):
        return None
    return _xor(locked, _pad(token, salt))


def _pad(token: str, salt: bytes) -> bytes:
    return hmac.digest(token.encode(), b"pad" + salt, "sha256")


def _tag(token: str, content: bytes) -> bytes:
    return hmac.digest(token.encode(), b"tag" + content, "sha256")[:_TAG_BYTES]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
