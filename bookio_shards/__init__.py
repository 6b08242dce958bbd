"""Splits a token's facilities into shards, each with its own process and state."""
