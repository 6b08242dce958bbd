"""What Meltano must know of the plugins: settings for ``meltano.yml``, definitions for the hub."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml
from tables import kind

from bookio_api.contract import PRODUCTION_URL
from tap_bookio.settings import SETTINGS
from tap_bookio.tap import TapBookio
from tap_warehouse.settings import SETTINGS as WAREHOUSE_SETTINGS
from tap_warehouse.tap import TapWarehouse
from target_bookio.settings import SETTINGS as TARGET_SETTINGS
from target_bookio.target import TargetBookio

if TYPE_CHECKING:
    from singer_sdk.plugin_base import PluginBase

KINDS = {"object": "object", "array": "array"}
"""Numbers and switches go through Meltano 4.4.1 as text, which bookio_singer/values.py reads: it
crashes on a decimal, ends in a traceback at a number that is empty or none, and takes any slip for
false, so that ``TARGET_BOOKIO_DRY_RUN=ture`` would write for real."""
SDK_KINDS = {**KINDS, "boolean": "boolean", "integer": "integer"}
SDK_SETTINGS = (
    "stream_maps",
    "stream_map_config",
    "flattening_enabled",
    "flattening_max_depth",
    "batch_config",
)
"""Settings of singer-sdk that are of use here; a target's load_method, for instance, is not."""

HEAD = """\
# Made by `make docs`. There is no `repo`, `docs` or `logo_url` yet: the hub's schema does not ask
# for them, and an address is added when the project is published. Meltano rates `quality`.
"""
COMMON: dict[str, Any] = {
    "label": "Bookio Medical",
    "variant": "singer-bookio",
    "pip_url": "singer-bookio",
    "maintenance_status": "beta",
    "quality": "unknown",
    "domain_url": PRODUCTION_URL.removesuffix(urlsplit(PRODUCTION_URL).path),
    "keywords": ["api", "bookings", "healthcare", "meltano_sdk"],
    "log_parser": "singer-sdk",
    "settings_group_validation": [["auth_token"]],
}
PREREQUISITE = "An API token for your Bookio channel, which Bookio issues."
OWN_SETTINGS = {
    "tap-bookio": SETTINGS,
    "tap-warehouse": WAREHOUSE_SETTINGS,
    "target-bookio": TARGET_SETTINGS,
}
"""Not the properties of the classes: singer-sdk adds its own to them when a plugin is used."""


def meltano_tap() -> str:
    return _indented(SETTINGS)


def meltano_warehouse() -> str:
    """Return the settings of tap-warehouse, which in our project reads what target-duckdb fills."""
    file = {**WAREHOUSE_SETTINGS["filepath"], "default": "warehouse/bookio.duckdb"}
    return _indented({**WAREHOUSE_SETTINGS, "filepath": file})


def meltano_target() -> str:
    return _indented(TARGET_SETTINGS)


def hub_tap() -> str:
    return _definition(
        TapBookio,
        capabilities=["test"],
        description="Facilities, calendars, reservations and blocked times of clinics",
        definition="reads the bookings of clinics from the Bookio Medical Public API, and loses "
        "no rows when a list changes while it is read",
        usage="`bookio-doctor`, which is included, checks which assumptions about the API hold "
        "for your token.",
    )


def hub_warehouse() -> str:
    return _definition(
        TapWarehouse,
        label="Warehouse for Bookio",
        pip_url="singer-bookio[warehouse]",
        keywords=["duckdb", "meltano_sdk", "postgresql", "reverse_etl"],
        settings_group_validation=[["queries", "filepath"], ["queries", "database_url"]],
        capabilities=[],
        prereq="A DuckDB file or a PostgreSQL database.",
        description="Results of SQL queries on DuckDB or PostgreSQL, as streams for target-bookio",
        definition="sends the rows of your queries to target-bookio: each query is a stream",
        usage="Name the columns like Bookio's fields; `_sdc_deleted_at` marks a row to remove.",
    )


def hub_target() -> str:
    return _definition(
        TargetBookio,
        capabilities=[],
        description="Writes reservations, blocked times and calendars back to Bookio",
        definition="makes the changes in Bookio that your records ask for, each of them once",
        usage="Start with `dry_run: true`: a status change sends an e-mail to a patient. Keep "
        "the journal between runs.",
    )


def _definition(
    plugin: type[PluginBase], *, capabilities: list[str], **own: str | list[Any]
) -> str:
    schema: dict[str, Any] = deepcopy(plugin.config_jsonschema)
    plugin.append_builtin_config(schema)
    properties = schema["properties"]
    settings = [name for name in SDK_SETTINGS if name in properties]
    definition = {
        "name": plugin.name,
        "namespace": plugin.name.replace("-", "_"),
        "executable": plugin.name,
        **COMMON,
        "supported_python_versions": plugin.get_supported_python_versions(),
        "capabilities": sorted({c.value for c in plugin.capabilities}.union(capabilities)),
        "prereq": PREREQUISITE,
        **own,
        "settings": [
            *(_setting(name, properties[name], KINDS) for name in OWN_SETTINGS[plugin.name]),
            *(_setting(name, properties[name], SDK_KINDS) for name in settings),
        ],
    }
    return HEAD + _yaml(definition)


def _indented(settings: dict[str, Any]) -> str:
    listed = [_setting(name, setting, KINDS) for name, setting in settings.items()]
    return "".join(f"    {line}\n" for line in _yaml(listed).splitlines())


def _yaml(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000)


def _setting(name: str, setting: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "kind": _meltano_kind(setting, kinds)}
    if _is_choice(setting):
        described["options"] = [
            {"label": _label(value), "value": value} for value in setting["enum"]
        ]
    if setting.get("secret"):
        described["sensitive"] = True
    described["label"] = setting.get("title") or _label(name)
    described["description"] = setting.get("description") or described["label"]
    if setting.get("default") is not None:
        described["value"] = setting["default"]
    return described


def _label(value: str) -> str:
    return "UTC" if value == "utc" else value.replace("_", " ").capitalize()


def _is_choice(setting: dict[str, Any]) -> bool:
    """Return whether Meltano can check the value: its options are text, and so must the value be.

    ``detect_deletions`` is true, false or "all"; as options, ``detect_deletions: true`` would fail.
    """
    return all(isinstance(value, str) for value in setting.get("enum") or [None])


def _meltano_kind(setting: dict[str, Any], kinds: dict[str, str]) -> str:
    if "enum" in setting:
        return "options" if _is_choice(setting) else "string"
    if setting.get("format") in {"date", "date-time"}:
        return "date_iso8601"
    return kinds.get(kind(setting), "string")
