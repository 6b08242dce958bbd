"""Sends requests on threads, and returns the results. Decides and records nothing."""

from __future__ import annotations

import time
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import RESOURCES
from bookio_api.errors import BookioError, OutcomeUnknownError
from target_bookio.effects import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bookio_api.client import BookioClient
    from target_bookio.plan.operations import Step


class Shipment(NamedTuple):
    """One request that is committed to the journal."""

    ticket: int
    """Identifies the request to the caller."""
    stream: str
    step: Step
    row_id: int | None
    external_id: int | None
    """The ``externalId``, to check whether a response is about this row."""


class Result(NamedTuple):
    """The result of one request."""

    ticket: int
    row_id: int | None
    """The row's id; for a new row only if the response contains it (U)."""
    error: BookioError | None = None
    server_time_ms: int | None = None
    was_sent: bool = True
    """Whether anything may have been sent."""


class Sender:
    """Sends requests on its own threads."""

    def __init__(self, client: BookioClient, concurrency: int) -> None:
        """Take the client, and how many requests may be in flight at once."""
        self._client = client
        self._shipments: SimpleQueue[Shipment | None] = SimpleQueue()
        """Filled by `send`, emptied by the threads; ``None`` ends one of them."""
        self._results: SimpleQueue[Result] = SimpleQueue()
        """Filled by the threads, emptied by `receive`."""
        self._threads = [Thread(target=self._run, name=f"write-{n}") for n in range(concurrency)]
        self._is_stopped = False
        """Set by the owner's thread, read by all; a thread that finds it set sends nothing more."""
        # Twice the threads: each has a request in flight, and finds the next one committed.
        self.max_ahead = 2 * concurrency
        """Maximum committed requests, which a kill can leave in doubt (rule 12)."""
        self.answer_s = 0.0
        """How long the last response took. Set by the threads, as a hint for when to commit."""

    def start(self) -> None:
        """Start the threads, if they are not running yet."""
        for thread in self._threads:
            if thread.ident is None:
                thread.start()

    def send(self, shipments: Iterable[Shipment]) -> None:
        """Send requests as soon as threads are free."""
        for shipment in shipments:
            self._shipments.put(shipment)

    def withdraw(self, shipments: Iterable[Shipment]) -> None:
        """Return results for requests that are not to be sent."""
        for shipment in shipments:
            self._results.put(Result(shipment.ticket, shipment.row_id, was_sent=False))

    def receive(self) -> list[Result]:
        """Wait for a result, and return all that have arrived."""
        return [self._results.get(), *self._rest()]

    def stop(self) -> list[Result]:
        """Send nothing more, wait for requests in flight, and return their results."""
        self._is_stopped = True
        for _ in self._threads:
            self._shipments.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        return self._rest()

    def _rest(self) -> list[Result]:
        results = []
        while not self._results.empty():
            results.append(self._results.get())
        return results

    def _run(self) -> None:
        while (shipment := self._shipments.get()) is not None:
            started = time.monotonic()
            self._results.put(self._send(shipment))
            self.answer_s = time.monotonic() - started

    def _send(self, shipment: Shipment) -> Result:
        if self._is_stopped:
            return Result(shipment.ticket, shipment.row_id, was_sent=False)
        try:
            return self._call(shipment)
        except BookioError as error:
            return Result(shipment.ticket, shipment.row_id, error)
        except BaseException as error:  # noqa: BLE001 - or the caller would wait indefinitely
            # The request may have been sent, so its outcome is unknown.
            msg = f"{shipment.step.operation}: unexpected {type(error).__name__}"
            return Result(shipment.ticket, shipment.row_id, OutcomeUnknownError(msg))

    def _call(self, shipment: Shipment) -> Result:
        step, resource = shipment.step, RESOURCES[shipment.stream]
        is_creation = step.effect is Effect.CREATE
        path = {} if is_creation else {resource.id_parameter: shipment.row_id or 0}
        response = self._client.call(step.operation, path=path, body=step.body)
        row_id = shipment.row_id
        if is_creation:
            row_id = new_id(resource.answered_as, response.data, shipment.external_id)
        return Result(shipment.ticket, row_id, server_time_ms=response.server_time_ms)


class DryRunSender(Sender):
    """Simulates success without sending anything. New rows get negative ids."""

    _last_id = 0

    def start(self) -> None:
        """Start nothing: there are no requests."""

    def send(self, shipments: Iterable[Shipment]) -> None:
        """Return a result for each request at once."""
        for shipment in shipments:
            row_id = shipment.row_id
            if shipment.step.effect is Effect.CREATE:
                self._last_id -= 1
                row_id = self._last_id
            self._results.put(Result(shipment.ticket, row_id))


def new_id(answered_as: str, data: Mapping[str, Any], external_id: int | None) -> int | None:
    """Return the id in the response to a creation, if it has one (U) and is about our row."""
    row = data.get(answered_as, data)
    if not isinstance(row, dict) or type(row.get("id")) is not int:
        return None
    ours = row.get("externalId", external_id) in {external_id, str(external_id)}
    return int(row["id"]) if ours else None
