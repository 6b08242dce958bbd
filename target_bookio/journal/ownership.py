"""Checks that a journal belongs to an account: a token that unlocks it proves that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_bookio.journal.account import Account, key_before_versions, keyed_digest, unlock
from target_bookio.journal.faults import CONSEQUENCE, fault

if TYPE_CHECKING:
    from pathlib import Path


def proved(
    path: Path | None,
    account: Account,
    *,
    box: bytes | None,
    salt: bytes | None,
    owner: bytes | None,
) -> tuple[bytes, str]:
    """Return the key of a journal's digests, and the token that unlocked it.

    ``box`` is the locked key, ``salt`` belongs to a file of the first format, and ``owner`` is the
    digest of the journal's ``api_url``.

    Raises:
        FileError: the journal belongs to another account.
    """
    unlocked = False
    for token in account.tokens:
        key = unlock(box, token) if box else key_before_versions(token, salt or b"")
        if key is not None and keyed_digest(key, account.api_url).encode() == owner:
            return key, token
        unlocked = unlocked or (box is not None and key is not None)
    if unlocked:
        what = "it belongs to another api_url"
        advice = (
            "set api_url back to the one that it was created with; "
            f"if you move this one away instead, {CONSEQUENCE}"
        )
    else:
        what = "it belongs to another api_url or auth_token"
        if account.previous_auth_token:
            what += ", and previous_auth_token does not open it either"
        advice = (
            "if the token was renewed, set previous_auth_token to the old one for one run; "
            f"if you move this one away instead, {CONSEQUENCE}"
        )
    raise fault(path, what, advice)
