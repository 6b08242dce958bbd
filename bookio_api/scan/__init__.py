"""Reads an offset-paged list that changes meanwhile, without losing rows: see PROOF.md."""

from bookio_api.scan.scan import Scan, limit_of

__all__ = ["Scan", "limit_of"]
