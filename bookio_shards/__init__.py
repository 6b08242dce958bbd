"""Cuts the facilities of a token into shards, each read by a process with a state of its own."""
