"""Carries the plan out, effectively once."""
