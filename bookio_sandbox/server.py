"""Serves a store on a loopback port."""

from __future__ import annotations

import socket
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import uvicorn

from bookio_api.overrides import with_overrides
from bookio_sandbox.api.app import BASE_PATH, Bookio, build_app
from bookio_sandbox.api.behaviour import Behaviour
from bookio_sandbox.api.faults import Protocol
from bookio_sandbox.api.variants import Variant, load_variant
from bookio_sandbox.control.routes import control_routes
from bookio_sandbox.world.clock import DEFAULT_START, Clock
from bookio_sandbox.world.store import Store
from bookio_sandbox.world.world import FACILITIES_OF_A_VENDOR, World

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Options:
    """What to serve, and with which token."""

    token: str = "sandbox-token"  # noqa: S105
    seed: int = 1
    size: int | None = 0
    """Number of reservations; 0 means facilities and calendars only, None an empty world."""
    facilities: int = FACILITIES_OF_A_VENDOR
    clock: datetime = DEFAULT_START
    db: str = ":memory:"
    """A file with data is reused; the options above are ignored then."""
    variant: str | None = None
    """A Bookio variant, by its file name under ``variants/``; explicit options win."""
    endpoints: dict[str, str] = field(default_factory=dict)
    """Other methods and paths than the contract's, in the form of ``endpoint_overrides``."""


def listen(port: int) -> socket.socket:
    """Return a listening socket on loopback. ``OSError`` has a one-line message."""
    # asyncio sets TCP_NODELAY only if the protocol is named; without it a page takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        msg = f"cannot listen on {HOST}:{port}: {getattr(error, 'strerror', error)}"
        raise OSError(msg) from None
    listener.listen(1024)
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the base URL of Bookio's paths."""
    return f"http://{HOST}:{listener.getsockname()[1]}{BASE_PATH}"


def open_world(options: Options, behaviour: Mapping[str, Any]) -> Bookio:
    """Open the world of a file, or build the one of a seed.

    ``behaviour`` has the fields of ``Behaviour`` that differ from the default.
    ``ValueError`` and ``SettingsError`` have a one-line message.
    """
    variant = load_variant(options.variant) if options.variant else Variant(description="")
    operations = with_overrides({**variant.endpoints, **options.endpoints})
    behaving = Behaviour().changed({**variant.behaviour, **behaviour})
    try:
        store = Store(options.db)
    except sqlite3.Error as error:
        msg = f"cannot use {options.db} as a database: {error}"
        raise ValueError(msg) from None
    left_at = store.fact("now_ms")
    if left_at is None:
        clock = Clock(options.clock)
        if options.size is not None:
            World(store, options.seed, options.size, options.clock, options.facilities).build()
        store.index()
        store.remember("now_ms", clock.now_ms())
    else:
        clock = Clock(datetime.fromtimestamp(max(left_at, store.latest()) / 1000, UTC))
    return Bookio(
        store,
        clock,
        behaving,
        token=options.token,
        seed=options.seed,
        operations=operations,
        shape=variant.shape,
    )


def server(bookio: Bookio) -> uvicorn.Server:
    """Return the HTTP server; run it on a listening socket."""
    config = uvicorn.Config(
        build_app(bookio, control_routes(bookio)),
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
