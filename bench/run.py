"""Compares tap-bookio and target-bookio with stock connectors: same server, interleaved, medians.

``python bench/run.py`` prints the tables within a quarter of an hour, ``--write`` puts them into
docs/performance.md, ``--full`` adds 10,000 to 500,000 rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, NamedTuple
from urllib.request import urlopen

from bookings import write_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv/bin"
CONTENDERS = ROOT / "bench/contenders"
PAGE = ROOT / "docs/performance.md"
MARKED = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)
ENVIRONMENT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "PYTHONDONTWRITEBYTECODE": ""}
"""All start from compiled modules, as what is installed does."""
STOCK = "stock singer-sdk tap"
PSEUDONYMISE: dict[str, object] = {
    "personal_data": "pseudonymise",
    "personal_data_key": "0123456789abcdef" * 4,  # pragma: allowlist secret
}


class Setting(NamedTuple):
    """What is measured together."""

    latency_ms: int
    rows: int
    in_flight: tuple[int, ...]
    repeats: int


class Contender(NamedTuple):
    """A program that reads, and what its configuration says more than all others'."""

    command: list[str | Path]
    settings: dict[str, object]


class Run(NamedTuple):
    """One run of one program."""

    seconds: float
    cpu_seconds: float
    """In user and kernel mode: what other processes do to the machine changes it less."""
    mebibytes: float


TAPS = (
    Setting(0, 100_000, (4,), 3),
    Setting(20, 50_000, (4, 8, 32), 2),
    Setting(100, 50_000, (8, 32), 1),
)
MORE_TAPS = (
    Setting(0, 10_000, (4,), 5),
    Setting(0, 500_000, (4,), 3),
    Setting(20, 100_000, (4, 8, 32), 3),
    Setting(100, 100_000, (8, 32), 3),
)
TARGETS = (
    Setting(0, 10_000, (4, 8, 32), 3),
    Setting(20, 3_000, (4, 8, 32), 2),
    Setting(100, 1_000, (8, 32), 1),
)
MEMORY = (10_000, 100_000, 500_000)


def python_of(contender: str) -> Path:
    """Return the interpreter of a contender's own environment, installed if need be."""
    home = ROOT / f".venv-bench-{contender}"
    pins = ROOT / f"bench/requirements-{contender}.txt"
    if not (home / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        pip = [home / "bin/pip", "install", "--quiet", "--require-hashes", "--requirement", pins]
        subprocess.run(pip, check=True)
        (home / ".installed").touch()
    return home / "bin/python"


def contenders(setting: Setting) -> dict[str, Contender]:
    """Return the readers of one setting by what the table calls them."""
    ours: list[str | Path] = [BIN / "tap-bookio", "--config"]
    dlt: list[str | Path] = [python_of("dlt"), CONTENDERS / "dlt_source.py"]
    readers = {
        f"tap-bookio, {n} in flight": Contender(ours, {"max_concurrency": n})
        for n in setting.in_flight
    }
    if not setting.latency_ms:
        readers["tap-bookio, pseudonymise"] = Contender(ours, PSEUDONYMISE)
    return {
        **readers,
        STOCK: Contender([BIN / "python", CONTENDERS / "stock_singer.py", "--config"], {}),
        "airbyte-cdk": Contender([python_of("airbyte"), CONTENDERS / "airbyte_source.py"], {}),
        "dlt, extract": Contender([*dlt, "extract"], {}),
        "dlt, to files": Contender([*dlt, "files"], {}),
    }


@contextmanager
def server(rows: int, latency_ms: float, *options: str) -> Iterator[str]:
    """Run the server; yields its address."""
    command = [
        sys.executable,
        ROOT / "bench/server.py",
        "--rows",
        str(rows),
        "--latency-ms",
        str(latency_ms),
        *options,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()  # type: ignore[union-attr]
        finally:
            process.terminate()


def measured(command: list[str | Path], stdin: Path | None, rows: int) -> Run:
    """Run a command to its end; it must print so many records, or say their number."""
    with tempfile.TemporaryFile() as output, (stdin or Path(os.devnull)).open() as source:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=source,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ENVIRONMENT},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        said = records_in(output)
    if process.returncode or (stdin is None and said != rows):
        sys.exit(f"{command} exited {process.returncode} with {said} records, not {rows}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def records_in(output: IO[bytes]) -> int:
    """Count reservations, line by line: our own memory would count as the next child's."""
    output.seek(0)
    count = 0
    for line in output:
        if line.strip().isdigit():
            return int(line)
        count += re.search(rb'"RECORD".{0,14}"stream": ?"reservations"', line) is not None
    return count


def connection(url: str) -> dict[str, object]:
    """Return the settings that every program understands."""
    return {"auth_token": "T", "api_url": url}


def compare_taps(setting: Setting) -> str:
    """Return a table of all readers in one setting; they take turns."""
    runs: dict[str, list[Run]] = {}
    with server(setting.rows, setting.latency_ms) as url, tempfile.TemporaryDirectory() as folder:
        for _ in range(setting.repeats):
            for number, (name, reader) in enumerate(contenders(setting).items()):
                config = Path(folder) / f"{number}.json"
                config.write_text(json.dumps({**connection(url), **reader.settings}))
                run = measured([*reader.command, config], None, setting.rows)
                runs.setdefault(name, []).append(run)
    return table(setting, runs, STOCK)


def compare_targets(setting: Setting) -> str:
    """Return a table of the writers in one setting."""
    runs: dict[str, list[Run]] = {}
    with server(0, setting.latency_ms) as url:
        for _ in range(setting.repeats):
            for in_flight in (*setting.in_flight, 0):
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name)
                    own = {
                        "max_concurrency": in_flight,
                        "journal_path": str(folder / "journal.sqlite3"),
                        "rejects_path": str(folder / "rejects.jsonl"),
                    }
                    config = folder / "config.json"
                    config.write_text(json.dumps(connection(url) | (own if in_flight else {})))
                    stock = [BIN / "python", CONTENDERS / "stock_target.py"]
                    command = [BIN / "target-bookio"] if in_flight else stock
                    before = written(url)
                    lines = write_stream(folder / "bookings.jsonl", setting.rows)
                    run = measured([*command, "--config", config], lines, 0)
                    if written(url) - before != setting.rows:
                        sys.exit(f"{command} wrote {written(url) - before}, not {setting.rows}")
                label = f"target-bookio, {in_flight} in flight" if in_flight else "stock RecordSink"
                runs.setdefault(label, []).append(run)
    return table(setting, runs, "stock RecordSink")


def written(url: str) -> int:
    """Ask the server how many writes it has seen."""
    with urlopen(f"{url}/count") as answer:  # noqa: S310 - our own server
        return int(json.load(answer)["result"]["data"]["written"])


def memory() -> str:
    """Return a table of tap-bookio's peak memory by rows."""
    lines = ["| rows | MiB at most | seconds |", "| --- | --- | --- |"]
    for rows in MEMORY:
        with server(rows, 0) as url, tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "config.json"
            config.write_text(json.dumps(connection(url)))
            run = measured([BIN / "tap-bookio", "--config", config], None, rows)
        lines.append(f"| {rows:,} | {run.mebibytes:.0f} | {run.seconds:.1f} |")
    return "\n".join(lines)


def table(setting: Setting, runs: dict[str, list[Run]], stock: str) -> str:
    """Return medians and ratios as a table."""
    rate = {n: setting.rows / median(r.seconds for r in each) for n, each in runs.items()}
    cpu = {n: median(r.cpu_seconds for r in each) for n, each in runs.items()}
    lines = [
        f"{setting.rows:,} records at {setting.latency_ms} ms, median of {setting.repeats}:",
        "",
        f"| | records/s | × {stock} | × its CPU time | MiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, each in runs.items():
        peak = max(run.mebibytes for run in each)
        lines.append(
            f"| {name} | {rate[name]:,.0f} | {rate[name] / rate[stock]:.1f} "
            f"| {cpu[stock] / cpu[name]:.1f} | {peak:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--full", action="store_true", help="up to 500,000 rows: an hour")
    parser.add_argument("--near", action="store_true", help="reading at 0 ms alone: minutes")
    options = parser.parse_args()
    cpus, python = os.cpu_count(), platform.python_version()
    how = "interleaved runs, start-up included"
    parts = [f"`make bench` on {datetime.now(UTC):%Y-%m-%d}: Python {python}, {cpus} CPUs, {how}."]
    parts.append("## Reading")
    if options.near:
        print(compare_taps(TAPS[0]))
        return
    for setting in (*TAPS, *MORE_TAPS) if options.full else TAPS:
        parts.append(compare_taps(setting))
        print(parts[-1], "\n", flush=True)
    parts += ["## Memory of tap-bookio", memory(), "## Writing, journal on"]
    for setting in TARGETS:
        parts.append(compare_targets(setting))
        print(parts[-1], "\n", flush=True)
    if options.write:
        text = "\n\n".join(parts) + "\n"
        PAGE.write_text(MARKED.sub(lambda m: m[1] + text + m[2], PAGE.read_text()))


if __name__ == "__main__":
    main()
