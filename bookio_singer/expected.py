"""The field of a record in which a source says what it last read of a row.

tap-warehouse makes it and target-bookio checks it against Bookio's row before a write.
"""

from __future__ import annotations

from bookio_api.contract import TERM

EXPECTED = "_bookio_expected"
EXPECTED_FIELDS = (*TERM, "status")
"""The fields whose last read value it may contain."""
