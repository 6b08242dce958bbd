"""Reads an offset-paged list that changes while it is read, and loses nothing: see PROOF.md."""

from bookio_api.scan.scan import Scan, limit_of

__all__ = ["Scan", "limit_of"]
