"""``bookio-sandbox``, which needs the extra ``sandbox``."""

from __future__ import annotations

import sys


def main() -> None:
    """Start a sandbox, or report the missing extra."""
    try:
        from bookio_sandbox.command import main as run
    except ModuleNotFoundError as error:
        sys.exit(f"bookio-sandbox needs {error.name}: pip install 'singer-bookio[sandbox]'")
    run()


if __name__ == "__main__":
    main()
