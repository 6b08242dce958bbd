"""Records every write before its first byte is sent."""
