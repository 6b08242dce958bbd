"""Checks, with a real token, which of our assumptions about Bookio's API hold."""
