"""Converts listed rows into records."""
