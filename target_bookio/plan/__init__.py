"""Pure: from a record, Bookio's row and the journal's entry to operations."""
