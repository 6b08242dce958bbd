"""What came back for one question: an answer, a refusal, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bookio_api.errors import (
    ERROR_CODES,
    BrokenResponseError,
    ContractError,
    TransportError,
    UnknownPathError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.contract import Operation
    from bookio_api.errors import BookioError

Row = dict[str, Any]

BAD_REQUEST = 400
MAX_DEPTH, MAX_NAMES = 4, 100
ROWS = "list of objects"
"""How an outline shows a list that may be one of rows."""
_KINDS = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "list",
    dict: "object",
}

Outline = Any
"""A JSON value without its values: objects stay, everything else is the name of its type."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One response, as it came; a request that was repeated has several."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    outline: Outline
    """Of the body; ``HTML`` or ``no JSON`` if it is not JSON."""
    asked_at: float
    """When the request was sent, in epoch seconds of our clock."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question, as the client reads it."""

    operation: Operation
    """With the path that was asked."""
    reply: Reply | None = None
    """The last response; ``None`` if none came."""
    error: BookioError | None = None
    """Why there are no rows; ``None`` if there are, or none were expected."""
    has_list: bool = False
    """Whether there is a list; then an ``error`` says that its rows cannot be used."""
    rows: list[Row] | None = None
    """Rows with integer ids; ``None`` if tap and target cannot read a list here."""
    rows_key: str = ""
    """Where the rows are in ``data``; empty if ``data`` itself is the list."""
    total: object = None
    """``pagination.total``, as it came."""

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing is known: no usable response, a server error, or too many requests."""
        return isinstance(self.error, TransportError)

    @property
    def is_refused(self) -> bool:
        """Whether Bookio understood the question and refused it, or answered something else."""
        return self.error is not None and not self.is_unanswered

    @property
    def may_be_elsewhere(self) -> bool:
        """Whether another path is worth a try: this one is unknown, or leads to something else."""
        if self.error is None or self.has_list:
            return False
        return is_path_doubtful(self.error)

    @property
    def said(self) -> str:
        """What went wrong, without the operation and the advice; empty if nothing did."""
        return _parts_of(self.error)[0]

    @property
    def advice(self) -> str:
        """What the client advises to do; empty if nothing went wrong."""
        return _parts_of(self.error)[1]


def is_path_doubtful(error: BookioError) -> bool:
    """Whether an error may mean that the path is unknown.

    1. Bookio or the status says so.
    2. It is no envelope: a page, other JSON, no JSON.
    3. HTTP 400, the only status that is documented for a failure, without a code of Bookio's.
    """
    if isinstance(error, UnknownPathError | ContractError | BrokenResponseError):
        return True
    return error.status == BAD_REQUEST and error.code not in ERROR_CODES


def outline_of(value: object, depth: int = MAX_DEPTH) -> Outline:
    """Return the names and types of a JSON value, without values."""
    if isinstance(value, dict) and depth:
        named = list(value.items())[:MAX_NAMES]
        return {str(name): outline_of(item, depth - 1) for name, item in named}
    if isinstance(value, list) and set(map(type, value)) <= {dict}:
        return ROWS
    return _KINDS[type(value)]


def data_of(outline: Outline) -> Outline:
    """Return the outline of ``data``, in ``result`` or without it; ``{}`` if there is none."""
    document = outline if isinstance(outline, dict) else {}
    result = document.get("result", document)
    return result.get("data", {}) if isinstance(result, dict) else {}


def _parts_of(error: BookioError | None) -> tuple[str, str]:
    """Split a message of the client: ``where: what happened; what to do next``."""
    what, _, advice = str(error or "").partition(": ")[2].partition("; ")
    return what, advice
