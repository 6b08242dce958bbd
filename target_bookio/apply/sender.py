"""Sends requests on threads, and returns what came of them. Decides and notes nothing."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import RESOURCES
from bookio_api.errors import BookioError, OutcomeUnknownError
from target_bookio.plan.operations import Effect, Step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from bookio_api.client import BookioClient


class Shipment(NamedTuple):
    """One request that is committed to the journal."""

    ticket: int
    """Which of the caller's requests it is."""
    stream: str
    step: Step
    row_id: int | None
    external_id: int | None
    """The clinic's number, to tell whether an answer is about this row."""


class Result(NamedTuple):
    """What came of one request."""

    ticket: int
    row_id: int | None
    """The row's id; of a new row only if the answer told it (U)."""
    error: BookioError | None = None
    server_time_ms: int | None = None
    was_sent: bool = True
    """Whether anything may have left at all."""


class Sender:
    """Sends what it is given, as many at a time as its executor has threads."""

    def __init__(self, client: BookioClient, executor: Executor, concurrency: int) -> None:
        """Take the client and its threads."""
        self._client = client
        self._executor = executor
        self._results: SimpleQueue[Result] = SimpleQueue()
        """Filled by the threads, emptied by `receive`."""
        self._is_stopped = False
        """Set by the owner's thread, read by all: what has not begun is not sent."""
        self.max_ahead = 2 * concurrency
        """So many requests are committed at most: a kill leaves no more of them in doubt."""
        self.in_flight = 0

    def send(self, shipment: Shipment) -> None:
        """Send a request as soon as a thread is free."""
        self.in_flight += 1
        self._executor.submit(self._send, shipment)

    def receive(self) -> list[Result]:
        """Wait for a result, and return all that have come."""
        results = [self._results.get()]
        while not self._results.empty():
            results.append(self._results.get())
        self.in_flight -= len(results)
        return results

    def rest(self) -> list[Result]:
        """Return the results that nobody has received; the threads must have ended."""
        results = []
        while not self._results.empty():
            results.append(self._results.get())
        return results

    def stop(self) -> None:
        """Send nothing more; what is on its way may still land."""
        self._is_stopped = True

    def _send(self, shipment: Shipment) -> None:
        if self._is_stopped:
            self._results.put(Result(shipment.ticket, shipment.row_id, was_sent=False))
            return
        try:
            self._results.put(self._call(shipment))
        except BookioError as error:
            self._results.put(Result(shipment.ticket, shipment.row_id, error))
        except BaseException as error:  # noqa: BLE001 - nobody else would hear of it
            msg = f"{shipment.step.operation}: unexpected {type(error).__name__}"
            unknown = OutcomeUnknownError(msg)
            self._results.put(Result(shipment.ticket, shipment.row_id, unknown))

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
    """Answers as if all had been carried out, and sends nothing. New rows get ids below zero."""

    _last_id = 0

    def send(self, shipment: Shipment) -> None:
        """Answer at once."""
        self.in_flight += 1
        row_id = shipment.row_id
        if shipment.step.effect is Effect.CREATE:
            self._last_id -= 1
            row_id = self._last_id
        self._results.put(Result(shipment.ticket, row_id))


def new_id(answered_as: str, data: Mapping[str, Any], external_id: int | None) -> int | None:
    """Return the id that a creation answers, if it does (U), and is about our row."""
    row = data.get(answered_as, data)
    if not isinstance(row, dict) or type(row.get("id")) is not int:
        return None
    ours = row.get("externalId", external_id) in {external_id, str(external_id)}
    return int(row["id"]) if ours else None
