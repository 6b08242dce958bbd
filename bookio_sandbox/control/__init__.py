"""What tests and demos ask of a sandbox, under /_sandbox."""
