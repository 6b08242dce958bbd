"""Settings as a command line is given them: files of ``--config``, and the environment.

singer-sdk's own reader takes no number from the environment and any name for a setting, and does
not tell which file or variable it could not read.
"""

from __future__ import annotations

import json
import logging
import math
import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import find_dotenv, load_dotenv

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENVIRONMENT = "ENV"
"""What ``--config`` is given instead of a file, to read the environment."""

_TRUTH = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_FORMS: dict[str, tuple[str, type | tuple[type, ...], str]] = {
    "array": ("a list", list, "[8675, 8712]"),
    "object": ("an object", dict, '{"list_reservations": "GET /reservations"}'),
    "integer": ("a whole number", int, "4"),
    "number": ("a number", (int, float), "2.5"),
    "boolean": ("true or false", (), "true"),
}
"""What a type of JSON Schema is called, what Python makes of it, and how it is written."""
_ALIKE = 0.75
"""How alike two names are, so that one is a slip of the other."""

logger = logging.getLogger(__name__)


def settings_of(
    sources: Iterable[str], properties: Mapping[str, Mapping[str, Any]], prefix: str
) -> dict[str, Any]:
    """Return the settings in files and, if a source is ``ENV``, in variables of this prefix.

    Variables win over files, wherever ``ENV`` stands, and later files over earlier ones. Null
    says that a setting is not set.
    Variables may stand in a file ``.env``, here or in a folder above, as for any plugin of the SDK.
    ``properties`` are those of the settings' JSON Schema. Raises ``SettingsError``.
    """
    settings: dict[str, Any] = {}
    for source in sources:
        if source != ENVIRONMENT:
            settings |= _of_file(source)
    _check_names(settings, properties)
    if ENVIRONMENT in sources:
        settings |= _of_environment(properties, prefix)
    return settings


def parsed(text: str | bytes, what: str) -> Any:  # noqa: ANN401
    """Return what JSON text says; ``SettingsError`` tells what it is that cannot be read."""
    try:
        return json.loads(text, parse_float=_number, parse_constant=_number)
    except UnicodeDecodeError as error:
        msg = f"{what} is not UTF-8; save it as UTF-8"
        raise SettingsError(msg) from error
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        msg = f"{what} is not JSON" + (f" (line {line})" if line else "")
        raise SettingsError(msg) from error


def _of_file(path: str) -> dict[str, Any]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        msg = f"--config {path} cannot be read: {error.strerror}"
        raise SettingsError(msg) from error
    settings = parsed(content, f"--config {path}")
    if not isinstance(settings, dict):
        msg = f'--config {path} holds no settings; write it as {{"auth_token": "…"}}'
        raise SettingsError(msg)
    return {name: value for name, value in settings.items() if value is not None}


def _check_names(settings: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse what is a slip of a setting's name, for it would be left out without a word."""
    slips = []
    for name in settings.keys() - set(known):
        alike = get_close_matches(name.lower().replace("-", "_"), known, 1, _ALIKE)
        if alike:
            slips.append(f"there is no setting {name!r}; did you mean {alike[0]}?")
        else:
            logger.warning("There is no setting %r: it changes nothing", name)
    if slips:
        raise SettingsError(" ".join(sorted(slips)))


def _of_environment(properties: Mapping[str, Mapping[str, Any]], prefix: str) -> dict[str, Any]:
    _load_dotenv()
    settings = {}
    for name, schema in properties.items():
        variable = prefix + name.upper()
        text = os.environ.get(variable)
        if text is not None and (text or _is_text(schema)):
            settings[name] = text if _is_text(schema) else _value(variable, text, schema)
    return settings


def _load_dotenv() -> None:
    path = find_dotenv(usecwd=True)
    try:
        load_dotenv(path)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise SettingsError(msg) from error
    except ValueError as error:  # not UTF-8, or a NUL, which no variable may hold
        msg = f"{path} is not text in UTF-8; save it as UTF-8"
        raise SettingsError(msg) from error


def _is_text(schema: Mapping[str, Any]) -> bool:
    return not set(_FORMS) & _types(schema)


def _types(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type", "string")
    return {types} if isinstance(types, str) else set(types)


def _value(variable: str, text: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return what a variable says, in the type of its setting."""
    types = _types(schema)
    kind = next(kind for kind in _FORMS if kind in types)
    called, python_type, example = _FORMS[kind]
    if kind == "boolean" and text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    what = called
    try:
        value = parsed(text, variable)
    except SettingsError:
        what = "JSON" if kind in {"array", "object"} else called
    else:
        if isinstance(value, python_type) and not isinstance(value, bool):
            return value
        if value is None and "null" in types:
            return None
    msg = f"{variable} is not {what}; write it as {example}"
    raise SettingsError(msg)


def _number(text: str) -> float:
    """Return a whole number as ``int``; the settings know none without end."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return int(value) if value.is_integer() else value
