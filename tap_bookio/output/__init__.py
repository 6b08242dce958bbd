"""Singer messages on stdout, whole pages at a time."""
