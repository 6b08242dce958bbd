"""Prints which of the modules in its arguments can be imported."""

from __future__ import annotations

import importlib.util
import sys

print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name)))
