"""``python -m bookio_shards``, which is ``bookio-shards``."""

from bookio_shards.command import shards

if __name__ == "__main__":
    shards()
