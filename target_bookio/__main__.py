"""``python -m target_bookio``, which is ``target-bookio``."""

from target_bookio.target import TargetBookio

if __name__ == "__main__":
    TargetBookio.cli()
