"""Our own PostgreSQL: Debian's server, on a free port, in a folder that is removed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "postgres"
WITH_PASSWORD = "clinic"  # noqa: S105  # pragma: allowlist secret
"""The only user who must give a password; `ALTER ROLE` sets one."""
_VERSIONS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def is_installed() -> bool:
    """Whether server and client are there, as Debian's package ``postgresql`` installs them."""
    return bool(_VERSIONS) and shutil.which("psql") is not None


def free_port() -> int:
    """Return a port of loopback that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def postgres_server() -> Iterator[int]:
    """Run a server that anyone on this machine may use as ``postgres``, and yield its port."""
    port, programs = free_port(), _VERSIONS[-1]
    with tempfile.TemporaryDirectory(prefix="bookio-postgres-") as folder:
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": "/"}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam(USER)
            os.chown(folder, user.pw_uid, user.pw_gid)
            quiet |= {"user": user.pw_uid, "group": user.pw_gid}
        data = f"{folder}/data"
        make = [str(programs / "initdb"), "-D", data, "-U", USER, "-A", "trust", "-N"]
        subprocess.run(make, check=True, **quiet)
        rules = Path(data, "pg_hba.conf")  # the first that fits holds
        rules.write_text(f"host all {WITH_PASSWORD} all scram-sha-256\n{rules.read_text()}")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
        control = [str(programs / "pg_ctl"), "-D", data, "-w", "-l", f"{folder}/log"]
        subprocess.run([*control, "-o", options, "start"], check=True, **quiet)
        try:
            query(port, f"CREATE ROLE {WITH_PASSWORD} SUPERUSER LOGIN")
            yield port
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)


def query(port: int, sql: str, database: str = "postgres") -> list[str]:
    """Return the lines that psql prints, columns separated by ``|``."""
    where = ["-h", "127.0.0.1", "-p", str(port), "-U", USER, "-d", database]
    command = ["psql", *where, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql]
    return subprocess.check_output(command, text=True).splitlines()
