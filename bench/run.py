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

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv/bin"
CONTENDERS = ROOT / "bench/contenders"
PAGE = ROOT / "docs/performance.md"
MARKED = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)
ENVIRONMENT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "PYTHONDONTWRITEBYTECODE": ""}
"""All start from compiled modules, as what is installed does."""
BOOKING = {
    "facilityId": 1, "serviceId": 5, "name": "Jana", "surname": "Nováková", "locale": "sk",
    "email": "jana@example.org", "phone": "+421905123456",
}  # fmt: skip


class Setting(NamedTuple):
    """What is measured together."""

    latency_ms: int
    rows: int
    in_flight: tuple[int, ...]
    repeats: int


class Run(NamedTuple):
    """One run of one program."""

    seconds: float
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


def tap_commands(in_flight: tuple[int, ...]) -> dict[str, list[str | Path]]:
    """Return the command of each reader, without its configuration file."""
    dlt = [python_of("dlt"), CONTENDERS / "dlt_source.py"]
    ours = {f"tap-bookio, {n} in flight": [BIN / "tap-bookio", "--config", n] for n in in_flight}
    return {
        **ours,  # type: ignore[dict-item] - the number becomes a file with it
        "stock singer-sdk tap": [BIN / "python", CONTENDERS / "stock_singer.py", "--config"],
        "airbyte-cdk": [python_of("airbyte"), CONTENDERS / "airbyte_source.py"],
        "dlt, extract": [*dlt, "extract"],
        "dlt, to files": [*dlt, "files"],
    }


@contextmanager
def server(rows: int, latency_ms: float) -> Iterator[str]:
    """Run the server; yields its address."""
    command = [sys.executable, ROOT / "bench/server.py", "--rows", str(rows),
               "--latency-ms", str(latency_ms)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()  # type: ignore[union-attr]
        finally:
            process.terminate()


def measured(command: list[str | Path], stdin: Path | None, rows: int) -> Run:
    """Run a command to its end; it must print so many records, or say their number."""
    with tempfile.TemporaryFile() as output, (stdin or Path(os.devnull)).open() as given:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=given, stdout=output, stderr=subprocess.DEVNULL,
            env={**os.environ, **ENVIRONMENT},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        said = records_in(output)
    if process.returncode or (stdin is None and said != rows):
        sys.exit(f"{command} exited {process.returncode} with {said} records, not {rows}")
    return Run(seconds, usage.ru_maxrss / 1024)


def records_in(output: IO[bytes]) -> int:
    """Count reservations, line by line: our own memory would count as the next child's."""
    output.seek(0)
    count = 0
    for line in output:
        if line.strip().isdigit():
            return int(line)
        count += re.search(rb'"RECORD".{0,14}"stream": ?"reservations"', line) is not None
    return count


def config_file(folder: Path, url: str, in_flight: int) -> Path:
    """Write a configuration that every program understands."""
    own = {"journal_path": str(folder / "journal.sqlite3"),
           "rejects_path": str(folder / "rejects.jsonl")}  # fmt: skip
    file = folder / f"{in_flight}.json"
    settings = {"auth_token": "T", "api_url": url, "max_concurrency": in_flight}
    target = folder / f"{in_flight}.target.json"
    file.write_text(json.dumps(settings))
    target.write_text(json.dumps({**settings, **own}))
    return file


def compare_taps(setting: Setting) -> str:
    """Return a table of all readers in one setting."""
    runs: dict[str, list[Run]] = {}
    with server(setting.rows, setting.latency_ms) as url, tempfile.TemporaryDirectory() as folder:
        for _ in range(setting.repeats):
            for name, command in tap_commands(setting.in_flight).items():
                in_flight = next((w for w in command if isinstance(w, int)), 1)
                words = [word for word in command if not isinstance(word, int)]
                config = config_file(Path(folder), url, in_flight)
                run = measured([*words, config], None, setting.rows)
                runs.setdefault(name, []).append(run)
    return table(setting, runs, "stock singer-sdk tap")


def compare_targets(setting: Setting) -> str:
    """Return a table of the writers in one setting."""
    runs: dict[str, list[Run]] = {}
    with server(0, setting.latency_ms) as url:
        for _ in range(setting.repeats):
            for in_flight in (*setting.in_flight, 0):
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name)
                    config = config_file(folder, url, in_flight or 1)
                    command = [BIN / "target-bookio"] if in_flight else [
                        BIN / "python", CONTENDERS / "stock_target.py"]  # fmt: skip
                    file = config.with_suffix(".target.json") if in_flight else config
                    before = written(url)
                    run = measured([*command, "--config", file], bookings(folder, setting.rows), 0)
                    if written(url) - before != setting.rows:
                        sys.exit(f"{command} wrote {written(url) - before}, not {setting.rows}")
                label = f"target-bookio, {in_flight} in flight" if in_flight else "stock RecordSink"
                runs.setdefault(label, []).append(run)
    return table(setting, runs, "stock RecordSink")


def written(url: str) -> int:
    """Ask the server how many writes it has seen."""
    with urlopen(f"{url}/count") as answer:  # noqa: S310 - our own server
        return int(json.load(answer)["result"]["data"]["written"])


def bookings(folder: Path, rows: int) -> Path:
    """Write a Singer stream of new reservations."""
    schema = {"type": "SCHEMA", "stream": "reservations", "schema": {"properties": {}}}
    lines = [{**schema, "key_properties": []}]
    for n in range(rows):
        starts = f"2026-12-{1 + n % 28:02}T{8 + n % 9:02}:00:00+01:00"
        record = {**BOOKING, "externalId": n, "dateFrom": starts}
        lines.append({"type": "RECORD", "stream": "reservations", "record": record})
    file = folder / "bookings.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def memory() -> str:
    """Return a table of tap-bookio's peak memory by rows."""
    lines = ["| rows | MiB at most | seconds |", "| --- | --- | --- |"]
    for rows in MEMORY:
        with server(rows, 0) as url, tempfile.TemporaryDirectory() as folder:
            config = config_file(Path(folder), url, 4)
            run = measured([BIN / "tap-bookio", "--config", config], None, rows)
        lines.append(f"| {rows:,} | {run.mebibytes:.0f} | {run.seconds:.1f} |")
    return "\n".join(lines)


def table(setting: Setting, runs: dict[str, list[Run]], stock: str) -> str:
    """Return medians and ratios as a table."""
    rate = {n: setting.rows / median(r.seconds for r in each) for n, each in runs.items()}
    lines = [
        f"{setting.rows:,} records at {setting.latency_ms} ms, median of {setting.repeats}:", "",
        f"| | records/s | × {stock} | MiB |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, each in runs.items():
        peak = max(run.mebibytes for run in each)
        lines.append(
            f"| {name} | {rate[name]:,.0f} | {rate[name] / rate[stock]:.1f} | {peak:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--full", action="store_true", help="up to 500,000 rows: an hour")
    options = parser.parse_args()
    cpus, python = os.cpu_count(), platform.python_version()
    how = "interleaved runs, start-up included"
    parts = [f"`make bench` on {datetime.now(UTC):%Y-%m-%d}: Python {python}, {cpus} CPUs, {how}."]
    parts.append("### Reading")
    for setting in (*TAPS, *MORE_TAPS) if options.full else TAPS:
        parts.append(compare_taps(setting))
        print(parts[-1], "\n", flush=True)
    parts += ["### Memory of tap-bookio", memory(), "### Writing, journal on"]
    for setting in TARGETS:
        parts.append(compare_targets(setting))
        print(parts[-1], "\n", flush=True)
    if options.write:
        text = "\n\n".join(parts) + "\n"
        PAGE.write_text(MARKED.sub(lambda m: m[1] + text + m[2], PAGE.read_text()))


if __name__ == "__main__":
    main()
