"""``python -m tap_bookio``, which is ``tap-bookio``."""

from tap_bookio.tap import TapBookio

if __name__ == "__main__":
    TapBookio.cli()
