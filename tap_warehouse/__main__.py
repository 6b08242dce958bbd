"""``tap-warehouse``, which needs the extra ``warehouse``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the tap, or name the extra that is not installed."""
    try:
        from tap_warehouse.tap import TapWarehouse
    except ModuleNotFoundError as error:
        sys.exit(f"tap-warehouse needs {error.name}: pip install 'singer-bookio[warehouse]'")
    TapWarehouse.cli()


if __name__ == "__main__":
    main()
