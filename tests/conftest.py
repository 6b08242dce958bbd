"""Fixtures for all tests."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from hypothesis import settings

from bookio_sandbox.running import Sandbox, in_thread
from tests.cli import Tap, Target
from tests.loaders import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# No test asserts an absolute time: a busy machine is no failure.
settings.register_profile("here", settings.default, deadline=None)
settings.load_profile("here")


class StartSandbox(Protocol):
    """Starts a sandbox that ends with the test."""

    def __call__(self, **options: Any) -> Sandbox:
        """Take fields of ``bookio_sandbox.server.Options`` and of ``Behaviour``."""


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    """Start sandboxes with options of the test's own, e.g. ``start_sandbox(size=300, seed=7)``."""
    with ExitStack() as running:

        def start(**options: Any) -> Sandbox:
            print(f"sandbox: {options}")
            return running.enter_context(in_thread(**options))

        yield start


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """Return a sandbox with facilities and calendars, but no bookings."""
    return start_sandbox()


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    """Run one PostgreSQL for all tests that keep to their own schema or database."""
    with postgres_server() as port:
        yield port


@pytest.fixture
def tap(clinic: Sandbox, tmp_path: Path) -> Tap:
    """Return tap-bookio for the ``clinic`` of the module."""
    return Tap(clinic, tmp_path)


@pytest.fixture
def target(clinic: Sandbox, tmp_path: Path) -> Target:
    """Return target-bookio for the ``clinic`` of the module."""
    return Target(clinic, tmp_path)
