"""Writes Singer messages in blocks instead of one by one."""

from __future__ import annotations

import sys

from bookio_singer.sdk import Message, MsgSpecWriter, RecordMessage, serialize_jsonl
from bookio_singer.stdout import WholeLines

BLOCK_BYTES = 64 * 1024


class BlockWriter(MsgSpecWriter):
    """Buffers records until a block is full; any other message flushes them first."""

    def __init__(self) -> None:
        """Start with an empty block."""
        super().__init__()
        self._block = bytearray()
        self.whole_lines = WholeLines()

    def write_message(self, message: Message) -> None:
        """Write a message to stdout, whole lines only."""
        self._block += serialize_jsonl(message.to_dict())
        if not isinstance(message, RecordMessage) or len(self._block) >= BLOCK_BYTES:
            self.flush()

    def write_block(self, *pieces: bytes | memoryview) -> None:
        """Write serialised RECORD messages to stdout, whole lines only."""
        with self.whole_lines:
            for piece in pieces:
                self._block += piece
            if len(self._block) >= BLOCK_BYTES:
                self.flush()

    def flush(self) -> None:
        """Write the buffered records."""
        with self.whole_lines:
            block, self._block = self._block, bytearray()
            rest = memoryview(block)
            while rest:  # an unbuffered stdout (PYTHONUNBUFFERED) takes a part if a signal comes
                rest = rest[sys.stdout.buffer.write(rest) or 0 :]
            sys.stdout.buffer.flush()
