"""The control routes for tests and demos, under /_sandbox."""
