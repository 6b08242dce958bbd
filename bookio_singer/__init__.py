"""What tap and target share: singer-sdk, the command line, settings and redacted logs."""
