"""Reads what Bookio has into the mirror."""
