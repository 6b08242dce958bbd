"""The settings of a command line: files of ``--config``, and the environment.

singer-sdk's own reader takes no number from the environment and any name for a setting, and does
not say which file or variable it could not read.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bookio_api.errors import SettingsError
from bookio_singer.environment import PluginEnvironment
from bookio_singer.meltano import is_run_by_meltano, with_nulls
from bookio_singer.values import is_text, likeliest, parse_json, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bookio_singer.environment import Properties

ENVIRONMENT = "ENV"
"""The value of ``--config`` that reads the environment instead of a file."""
_HARMLESS_NAME = re.compile(r"[a-z]{1,15}([_-][a-z]{1,15}){,3}")
"""Any other name may be a misplaced secret, so it is not shown."""

logger = logging.getLogger(__name__)


def settings_of(
    sources: Iterable[str], properties: Properties, prefix: str, *, checks_names: bool = True
) -> dict[str, Any]:
    """Return the settings in files and, if a source is ``ENV``, in variables with this prefix.

    Variables win over files, wherever ``ENV`` stands, and later files over earlier ones. Null means
    that a setting is not set.
    Variables may be in a file ``.env``, in the working folder or above, as for any plugin of the
    SDK. ``properties`` are those of the settings' JSON Schema. A program that reads only some of
    another's settings does not check their names. Raises ``SettingsError``.
    """
    sources = tuple(sources)
    reads_environment = ENVIRONMENT in sources
    environment = PluginEnvironment(prefix, properties, loads_dotenv=reads_environment)
    if checks_names:
        environment.check_names()
    settings: dict[str, Any] = {}
    for source in sources:
        if source != ENVIRONMENT:
            settings |= _read_file(source, properties)
    if checks_names:
        _check_names(settings, properties)
    return settings | environment.settings() if reads_environment else with_nulls(settings)


def unread_variables(settings: Mapping[str, Any], properties: Properties, prefix: str) -> list[str]:
    """Return variables that had no effect because they differ from the settings in use.

    Meltano has read them itself, and an inherited plugin's settings may differ on purpose.
    """
    if is_run_by_meltano():
        return []
    return PluginEnvironment(prefix, properties).unread(settings)


def _read_file(path: str, properties: Properties) -> dict[str, Any]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        msg = f"--config {path} cannot be read: {error.strerror}"
        raise SettingsError(msg) from error
    settings = parse_json(content, f"--config {path}")
    if not isinstance(settings, dict):
        msg = f'--config {path} holds no settings; write it as {{"auth_token": "…"}}'
        raise SettingsError(msg)
    values = {
        name: _value_in_file(path, name, value, properties) for name, value in settings.items()
    }
    return {name: value for name, value in values.items() if value is not None}


def _value_in_file(path: str, name: str, value: Any, properties: Properties) -> Any:  # noqa: ANN401
    """Return a value in its setting's type: Meltano passes numbers and booleans as text."""
    schema = properties.get(name)
    if schema is None or not isinstance(value, str):
        return value
    if not value.strip() and not is_text(schema):
        return None
    return value_of(f"{name} in --config {path}", value, schema)


def _check_names(settings: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse a misspelt setting, which would otherwise be ignored silently."""
    slips = []
    for name in settings.keys() - set(known):
        if meant := likeliest(name, known):
            slips.append(f"there is no setting {name!r}; did you mean {meant}?")
        elif _HARMLESS_NAME.fullmatch(name):
            logger.warning("There is no setting %r, so it has no effect", name)
        else:
            logger.warning("A name of %d characters is not a setting and has no effect", len(name))
    if slips:
        raise SettingsError(" ".join(sorted(slips)))
