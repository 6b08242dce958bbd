"""Airflow with a LocalExecutor: its processes, its command line and its REST API, on loopback."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from demo.airflow.project import OUTPUT, POOLS, ROOT
from demo.postgres import USER, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BIN = ROOT / ".meltano/airflow/venv/bin"
HOME = OUTPUT / "home"
START_S = 120
LAST_LINES = 15
_TIME = re.compile(r"^\S+Z \[\w+ *\] +")


class AirflowError(Exception):
    """A command or a process of Airflow failed; the message has the last lines that it wrote."""


class Airflow:
    """An Airflow with its own database."""

    def __init__(self, environment: Mapping[str, str], postgres_port: int) -> None:
        """Configure it by variables, so that no file is needed."""
        self._address = f"127.0.0.1:{free_port()}"
        host, _, port = self._address.partition(":")
        connection = f"{USER}@{host}:{postgres_port}/airflow"
        settings = {
            "CORE__DAGS_FOLDER": ROOT / "orchestrate/airflow/dags",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": 6,
            "CORE__EXECUTION_API_SERVER_URL": f"http://{self._address}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
            "CORE__DEFAULT_TASK_RETRY_DELAY": 10,
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{connection}",
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{connection}",
            "API__HOST": host,
            "API__PORT": port,
            "API__WORKERS": 1,
            "API__SECRET_KEY": secrets.token_hex(),
            "API_AUTH__JWT_SECRET": secrets.token_hex(),
            "LOGGING__LOGGING_LEVEL": "INFO",
            "USAGE_DATA_COLLECTION__ENABLED": False,
        }
        self._environment = {
            **environment,
            "AIRFLOW_HOME": str(HOME),
            **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()},
        }
        self._token = ""

    def command(self, *arguments: str) -> None:
        """Run ``airflow …`` to its end."""
        log = HOME / f"{'-'.join(arguments[:2])}.log"
        with log.open("w") as output:
            code = self._start(*arguments, log=output).wait()
        if code != 0:
            last = "\n".join(log.read_text().splitlines()[-LAST_LINES:])
            msg = f"{last}\nairflow {' '.join(arguments)} failed; see {log.relative_to(ROOT)}"
            raise AirflowError(msg)

    def prepare(self) -> None:
        """Make the database and the pool."""
        HOME.mkdir(parents=True)
        self.command("db", "migrate")
        self.command("pools", "import", str(POOLS))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run what a deployment runs: API server, scheduler with its executor, DAG processor."""
        programs = ("api-server", "dag-processor", "scheduler")
        started = []
        for program in programs:
            more = ["--skip-serve-logs"] if program == "scheduler" else []
            with (HOME / f"{program}.log").open("w") as log:
                started.append(self._start(program, *more, log=log))
        try:
            self._wait_for_dag("bookio_load")
            yield
        finally:
            for process in reversed(started):
                process.terminate()

    def _start(self, *arguments: str, log: IO[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [BIN / "airflow", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _wait_for_dag(self, dag_id: str) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                self._token = self._call("GET", "/auth/token")["access_token"]
                self.ask(f"dags/{dag_id}")
            except (URLError, OSError):
                time.sleep(1)
            else:
                return
        msg = f"Airflow did not find {dag_id} in {START_S} s; its logs are in {HOME}"
        raise AirflowError(msg)

    def trigger(self, dag_id: str, run_id: str) -> None:
        """Start a run of a DAG."""
        self.ask(f"dags/{dag_id}", {"is_paused": False}, method="PATCH")
        self.ask(f"dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None})

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        found: list[dict[str, Any]] = self.ask(
            f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=200"
        )["task_instances"]
        return found

    def log(self, task: Mapping[str, Any], attempt: int) -> list[str]:
        """Return what a task instance logged, without the times."""
        names = ("dag_id", "dag_run_id", "task_id", "map_index")
        dag_id, run_id, task_id, index = (task[name] for name in names)
        folder = f"dag_id={dag_id}/run_id={run_id}/task_id={task_id}/map_index={index}"
        lines = (HOME / "logs" / folder / f"attempt={attempt}.log").read_text().splitlines()
        return [_TIME.sub("", json.loads(line)["event"]) for line in lines]

    def state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self.ask(f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def ask(self, path: str, body: object = None, method: str | None = None) -> Any:  # noqa: ANN401
        """Call the REST API: GET, or POST with a body."""
        return self._call(method or ("GET" if body is None else "POST"), f"/api/v2/{path}", body)

    def _call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://{self._address}{path}", data, headers, method=method)
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
