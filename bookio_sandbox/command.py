"""The command ``bookio-sandbox``: options, signals, and one-line errors."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NoReturn, get_args, get_origin, get_type_hints

import msgspec

from bookio_api.errors import SettingsError
from bookio_sandbox.api.behaviour import Behaviour
from bookio_sandbox.api.faults import FAULTS
from bookio_sandbox.api.variants import variant_names
from bookio_sandbox.server import Options, base_url, listen, open_world, server
from bookio_sandbox.world.world import FACILITIES_OF_A_VENDOR, SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then exit 0."""
    _at_signal(lambda: sys.exit(0))
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        named = {name: getattr(options, name) for name in Behaviour.__struct_fields__}
        behaviour = {k: v for k, v in named.items() if v is not None}
        Behaviour().changed(behaviour)
        world = Options(
            options.token,
            options.seed,
            options.size,
            options.facilities,
            options.clock,
            options.db,
            options.variant,
            dict(options.endpoint),
        )
        listener = listen(options.port)
        bookio = open_world(world, behaviour)
    except (ValueError, OSError, sqlite3.Error, SettingsError) as error:
        parser.error(str(error))
    running = server(bookio)
    # A flag instead of an exception: the signal may come while uvicorn builds its loop.
    _at_signal(lambda: setattr(running, "should_exit", True))
    print(base_url(listener), flush=True)
    running.run(sockets=[listener])


def _at_signal(end: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end())


def _parser() -> _Parser:
    parser = _Parser(
        prog="bookio-sandbox",
        description="Run a local imitation of Bookio with seeded data. Prints its base URL.",
        epilog=f"Kinds of faults: {', '.join(FAULTS)}.",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version('singer-bookio')}"
    )
    parser.add_argument("--port", type=int, default=8321, help="0 picks a free one (%(default)s)")
    parser.add_argument("--token", default="sandbox-token", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the data (%(default)s)")
    parser.add_argument(
        "--size",
        default="small",
        type=_size,
        help=f"reservations: a number, empty, or {_sizes()} (%(default)s)",
    )
    parser.add_argument(
        "--facilities",
        default=FACILITIES_OF_A_VENDOR,
        type=_facilities,
        help="number of facilities (%(default)s)",
    )
    parser.add_argument(
        "--db", default=":memory:", help="SQLite file; existing data is kept (in memory)"
    )
    parser.add_argument(
        "--clock",
        type=_moment,
        default="system",
        help="start of the clock, RFC 3339; a fixed one gives the same data on any day "
        "(%(default)s)",
    )
    parser.add_argument(
        "--endpoint",
        action="append",
        default=[],
        type=lambda text: text.partition("=")[::2],
        metavar="NAME=METHOD /path",
        help="serve an operation at another method and path; may be repeated",
    )
    parser.add_argument(
        "--variant",
        metavar="NAME",
        help=f"a Bookio variant that differs from the contract: {', '.join(variant_names())}",
    )
    _add_behaviour(parser)
    return parser


def _add_behaviour(parser: _Parser) -> None:
    group = parser.add_argument_group("behaviour that is unknown of the real Bookio")
    hints = get_type_hints(Behaviour, include_extras=True)
    for field in msgspec.structs.fields(Behaviour):
        kind, meta = get_args(hints[field.name])
        settings: dict[str, Any] = {"help": f"{meta.description} ({field.default or 'none'})"}
        if kind is bool:
            settings["action"] = argparse.BooleanOptionalAction
        elif get_origin(kind) is tuple:
            settings |= {"action": "append", "metavar": "NAME"}
        elif get_origin(kind) is not None:
            settings["choices"] = get_args(kind)
        group.add_argument(f"--{field.name.replace('_', '-')}", **settings)


def _sizes() -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in SIZES.items())


def _size(text: str) -> int | None:
    """Return the number of reservations; None for no data."""
    if text == "empty":
        return None
    try:
        count = SIZES.get(text) or int(text)
    except ValueError:
        count = -1
    if count < 0:
        msg = f"{text!r} is not a number, empty, or one of {_sizes()}"
        raise argparse.ArgumentTypeError(msg)
    return count


def _facilities(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() else 0
    if count < 1:
        msg = f"{text!r} is not a number of facilities; write 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return count


def _moment(text: str) -> datetime:
    if text == "system":
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        msg = f"{text!r} is not a time with an offset, for instance 2026-06-29T12:00:00Z"
        raise argparse.ArgumentTypeError(msg)
    return moment
