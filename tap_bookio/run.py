"""What the streams of one sync share: client, threads, facilities, problems and scans."""

from __future__ import annotations

import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bookio_api.facilities import Facilities
from bookio_singer.progress import Progress, is_for_a_person
from bookio_singer.settings import client_from
from tap_bookio.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.client import BookioClient
    from tap_bookio.scan_log import ScanReport

TOLERATED_SKEW_MS = 60_000
"""Clocks may differ by this much without a word."""

logger = logging.getLogger("tap-bookio")


class Run:
    """One sync. Nothing is opened or requested before it is first used."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the validated settings of the tap."""
        self._config = config
        self.started_ms = int(time.time() * 1000)
        self.problems = Problems()
        self.progress = Progress(
            is_visible=is_for_a_person(sys.stdout, sys.stderr, os.environ)
            and not sys.stdout.isatty()  # where the records are seen
        )
        self.scans: list[ScanReport] = []
        """Every scan of this run, in the order in which they ended."""
        self._warned_of_skew = False
        self._warned_of_others: set[str] = set()
        """Streams; only `warn_of_other_facilities` adds to it."""

    @cached_property
    def client(self) -> BookioClient:
        """The one client of this run."""
        return client_from(self._config)

    @cached_property
    def executor(self) -> ThreadPoolExecutor:
        """Threads that fetch pages ahead."""
        return ThreadPoolExecutor(self._config["max_concurrency"], thread_name_prefix="fetch")

    @cached_property
    def facilities(self) -> Facilities:
        """The facilities of this run."""
        return Facilities(self.client, self._config)

    def note_scan(self, report: ScanReport) -> None:
        """Add a scan that ended."""
        self.scans.append(report)

    def warn_of_skew(self, server_time_ms: int | None) -> None:
        """Warn once per run that the server's clock, if it sends one, differs from ours."""
        if server_time_ms is None:
            return
        skew_ms = server_time_ms - int(time.time() * 1000)
        if abs(skew_ms) > TOLERATED_SKEW_MS and not self._warned_of_skew:
            self._warned_of_skew = True
            logger.warning(
                "Bookio's clock differs from ours by %d s; bookmarks follow Bookio's",
                skew_ms // 1000,
            )

    def warn_of_other_facilities(self, stream: str) -> None:
        """Warn once per stream that a list holds rows of other facilities than asked for."""
        if stream not in self._warned_of_others:
            self._warned_of_others.add(stream)
            logger.warning(
                "%s: Bookio returns rows of other facilities than asked for; each row gets "
                "its own facility's time zone, and may come more than once",
                stream,
            )

    def close(self) -> None:
        """Close connections and threads, if any were opened."""
        self.progress.close()
        opened = vars(self)
        if "client" in opened:
            self.client.close()
        if "executor" in opened:
            self.executor.shutdown(cancel_futures=True)
