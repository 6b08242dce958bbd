"""The environment variables of a plugin: settings, misspelt names, and unused ones.

``PREFIX_NAME`` is the setting ``name``. A variable that only looks like a setting would do
nothing, silently, and so would one that is not read: both are reported.
"""

from __future__ import annotations

import os
import re
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values, find_dotenv, load_dotenv

from bookio_api.errors import SettingsError
from bookio_singer.meltano import is_run_by_meltano
from bookio_singer.values import encoding_problem, is_text, likeliest, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    Properties = Mapping[str, Mapping[str, Any]]

_NOT_SETTINGS = re.compile(r"_\w*|loglevel|service_(host|port)\w*|port(_\d+_\w+)?")
"""Names after the prefix that others give a meaning: Meltano's extras, singer-sdk's log level,
and what Kubernetes sets for a service that is called like the plugin."""


class PluginEnvironment:
    """The variables with a plugin's prefix, those of ``.env`` included.

    ``.env`` is looked for in the working folder and above, as by any plugin of singer-sdk. With
    ``loads_dotenv`` its other variables, such as a proxy, count for this process, too.
    """

    def __init__(self, prefix: str, properties: Properties, *, loads_dotenv: bool = False) -> None:
        """Take the properties of the settings' JSON Schema. Raises ``SettingsError``."""
        self._prefix, self._properties = prefix, properties
        if loads_dotenv:
            _load_dotenv()
            environment: Mapping[str, str | None] = os.environ
        else:
            environment = {**_peek_at_dotenv(), **os.environ}
        self._texts = {
            variable: text or ""
            for variable, text in environment.items()
            if variable.upper().startswith(prefix)
        }

    def check_names(self) -> None:
        """Refuse variables with our prefix that are not settings."""
        problems = [problem for name in sorted(self._texts) if (problem := self._problem(name))]
        if problems:
            raise SettingsError(" ".join(problems))

    def settings(self) -> dict[str, Any]:
        """Return the settings that variables hold. Raises ``SettingsError``."""
        settings = {}
        for name, schema in self._properties.items():
            text = self._texts.get(self._variable(name))
            if text is not None and (text or is_text(schema)):
                settings[name] = value_of(self._variable(name), text, schema)
        return settings

    def unread(self, settings: Mapping[str, Any]) -> list[str]:
        """Return the variables that differ from the settings in use."""
        return [
            self._variable(name)
            for name, schema in self._properties.items()
            if (text := self._texts.get(self._variable(name)))
            and self._value_or_none(name, text, schema) != settings.get(name, schema.get("default"))
        ]

    def _variable(self, name: str) -> str:
        return self._prefix + name.upper()

    def _value_or_none(self, name: str, text: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401
        try:
            return value_of(self._variable(name), text, schema)
        except SettingsError:
            return None

    def _problem(self, variable: str) -> str | None:
        name = variable[len(self._prefix) :].lower()
        is_setting = name in self._properties and variable == self._variable(name)
        if is_setting or not self._texts[variable] or _NOT_SETTINGS.fullmatch(name):
            return None
        meant = likeliest(name, self._properties)
        if is_run_by_meltano():
            # A project may keep other values under our prefix, and Meltano adds a variable
            # for each part of an object: TAP_BOOKIO_STREAM_MAPS_RESERVATIONS_EMAIL.
            is_theirs = any(name.startswith(f"{known}_") for known in self._properties)
            if meant is None or is_theirs:
                return None
        if meant is not None:
            return f"{variable} is not a setting; did you mean {self._variable(meant)}?"
        # Only the prefix is known to be harmless, so the rest is not shown.
        shown = variable if re.fullmatch(r"[A-Z_]{,40}", variable) else f"{self._prefix}…"
        plugin = self._prefix.rstrip("_").lower().replace("_", "-")
        return f"{shown} is not a setting; remove it, or see {plugin} --about for all settings."


def _load_dotenv() -> None:
    path = find_dotenv(usecwd=True)
    if not path:
        return
    try:
        load_dotenv(stream=StringIO(_text_of_dotenv(path)))
    except ValueError as error:  # a NUL, which a variable cannot contain
        msg = f"{path} is not text in UTF-8; save it as UTF-8"
        raise SettingsError(msg) from error


def _peek_at_dotenv() -> dict[str, str | None]:
    """Return the content of ``.env`` without setting it; nothing if it cannot be read."""
    path = find_dotenv(usecwd=True)
    try:
        return dotenv_values(stream=StringIO(_text_of_dotenv(path))) if path else {}
    except (SettingsError, ValueError):
        return {}


def _text_of_dotenv(path: str) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise SettingsError(msg) from error
    if problem := encoding_problem(content):
        msg = f"{path} {problem}"
        raise SettingsError(msg)
    return content.decode("utf-8-sig")
