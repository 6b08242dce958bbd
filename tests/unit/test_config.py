"""Settings from files and from the environment: errors name the setting."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.errors import SettingsError
from bookio_singer.config import settings_of, unread_variables
from tap_bookio.settings import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "TAP_BOOKIO_"
BOM = b"\xef\xbb\xbf"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def from_variable(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> dict[str, Any]:
    monkeypatch.setenv(PREFIX + name, text)
    return settings_of(["ENV"], SETTINGS, PREFIX)


def from_file(folder: Path, **settings: Any) -> dict[str, Any]:
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return settings_of([str(path)], SETTINGS, PREFIX)


VALUES = [
    ("page_size", "7", 7),
    ("page_size", "7.0", 7),
    ("request_timeout", "2.5", 2.5),
    ("requests_per_second", "5", 5),
    ("lookback_seconds", "0", 0),
    ("detect_deletions", "True", True),
    ("detect_deletions", "off", False),
    ("facility_ids", "[1, 2]", [1, 2]),
    ("endpoint_overrides", '{"a": "GET /b"}', {"a": "GET /b"}),
    ("start_date", "2026-01-01", "2026-01-01"),
    ("start_date", "2026-01-01T08:00:00Z", "2026-01-01T08:00:00Z"),
    ("reservations_from", "2026-01-01", "2026-01-01"),
    ("reservations_from", "2026-11-21T13:28:49.356340", "2026-11-21"),
    ("auth_token", "12345", "12345"),
    ("auth_token", "", ""),
]


@pytest.mark.parametrize(("name", "text", "value"), VALUES)
def test_a_text_gets_the_type_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, value: Any
) -> None:
    """A variable and a text in a file, as Meltano writes one, mean the same."""
    assert from_file(tmp_path, **{name: text}) == {name: value}
    assert from_variable(monkeypatch, name.upper(), text) == {name: value}


def test_null_in_a_variable_unsets_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_variable(monkeypatch, "REQUESTS_PER_SECOND", "null") == {
        "requests_per_second": None
    }


def test_an_empty_text_sets_only_a_text_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert from_variable(monkeypatch, "PAGE_SIZE", "") == {}
    assert from_file(tmp_path, page_size="", facility_ids="", detect_deletions="") == {}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("PAGE_SIZE", "x", "TAP_BOOKIO_PAGE_SIZE is not a whole number; write it as 4"),
        ("PAGE_SIZE", "2.5", "is not a whole number"),
        ("PAGE_SIZE", "9" * 5000, "is not a whole number"),
        ("REQUEST_TIMEOUT", "NaN", "is not a number; write it as 2.5"),
        ("REQUEST_TIMEOUT", "1e999", "is not a number"),
        ("REQUEST_TIMEOUT", "true", "is not a number"),
        ("ONLY_UNSYNCED", "ture", "is not true or false; write it as true"),
        ("FACILITY_IDS", "1,2", "TAP_BOOKIO_FACILITY_IDS is not JSON; write it as [8675, 8712]"),
        ("FACILITY_IDS", "1", "TAP_BOOKIO_FACILITY_IDS is not a list; write it as [8675, 8712]"),
        ("ENDPOINT_OVERRIDES", "{bad", 'TAP_BOOKIO_ENDPOINT_OVERRIDES is not JSON; write it as {"'),
    ],
)
def test_an_invalid_value_is_reported_with_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(SettingsError) as in_file:
        from_file(tmp_path, **{name.lower(): text})
    assert str(in_file.value).startswith(f"{name.lower()} in --config {tmp_path}")
    with pytest.raises(SettingsError) as in_variable:
        from_variable(monkeypatch, name, text)
    assert message in str(in_variable.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1]", "holds no settings"),
        (b"", "is not JSON (line 1)"),
        (b'{"auth_token": "x"\n"y"}', "is not JSON (line 2)"),
        (b'{"auth_token": "\xff"}', "is not UTF-8"),
        (b'{"request_timeout": NaN}', "is not JSON"),
        (b'{"request_timeout": 1e999}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_without_settings_is_named(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        settings_of([str(path)], SETTINGS, PREFIX)
    assert str(refused.value).startswith(f"--config {path} {message}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_may_have_any_encoding_of_json(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"lang": "sk"}', encoding=encoding)
    assert settings_of([str(path)], SETTINGS, PREFIX) == {"lang": "sk"}


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        settings_of([str(tmp_path)], SETTINGS, PREFIX)


def test_whole_numbers_become_integers(tmp_path: Path) -> None:
    settings = from_file(tmp_path, request_timeout=2.5, page_size=7.0, facility_ids=[3.0])
    assert repr(settings) == "{'request_timeout': 2.5, 'page_size': 7, 'facility_ids': [3]}"


def test_later_files_and_the_environment_take_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = []
    for number in (1, 2):
        sources.append(str(tmp_path / f"{number}.json"))
        (tmp_path / f"{number}.json").write_text(json.dumps({"lang": "sk", "page_size": number}))
    assert settings_of(sources, SETTINGS, PREFIX)["page_size"] == 2
    monkeypatch.setenv("TAP_BOOKIO_PAGE_SIZE", "3")
    assert settings_of(["ENV", *sources], SETTINGS, PREFIX) == {"lang": "sk", "page_size": 3}


@pytest.mark.parametrize("name", ["personaldata", "Personal-Data", "personalData"])
def test_a_misspelt_setting_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="did you mean personal_data") as refused:
        from_file(tmp_path, **{name: "omit"})
    assert "omit" not in str(refused.value)


def test_an_unknown_name_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        from_file(tmp_path, elsewhere=1)
    assert "'elsewhere'" in caplog.text


def test_an_unknown_name_that_may_be_a_secret_is_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "eyJhbGciOiJIUzI1NiJ9"  # pragma: allowlist secret
    with caplog.at_level(logging.WARNING):
        from_file(tmp_path, **{secret: ""})
    assert "A name of 20 characters is not a setting" in caplog.text
    assert secret not in caplog.text


def test_null_in_a_file_unsets_a_setting(tmp_path: Path) -> None:
    assert from_file(tmp_path, start_date=None, page_size=None, lang="sk") == {"lang": "sk"}


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TAP_BOOKIO_STARTDATE", "TAP_BOOKIO_START_DATE"),
        ("TAP_BOOKIO_PERSONALDATA", "TAP_BOOKIO_PERSONAL_DATA"),
        ("tap_bookio_page_size", "TAP_BOOKIO_PAGE_SIZE"),
    ],
)
@pytest.mark.parametrize("run_by_meltano", [False, True])
def test_a_misspelt_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str, *, run_by_meltano: bool
) -> None:
    """Even if the environment is not read, because the user believes it is."""
    monkeypatch.setenv(variable, "hidden")
    if run_by_meltano:
        monkeypatch.setenv("MELTANO_EXTRACTOR_NAME", "tap-bookio")
    for sources in ([], ["ENV"]):
        with pytest.raises(SettingsError, match=f"did you mean {meant}") as refused:
            settings_of(sources, SETTINGS, PREFIX)
        assert "hidden" not in str(refused.value)


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_BOOKIO_ELSEWHERE", "1")
    with pytest.raises(SettingsError, match="see tap-bookio --about"):
        settings_of(["ENV"], SETTINGS, PREFIX)
    monkeypatch.setenv("TAP_BOOKIO_ELSEWHERE", "")
    assert settings_of(["ENV"], SETTINGS, PREFIX) == {}


@pytest.mark.parametrize(
    "name",
    ["_LOAD_SCHEMA", "_SELECT", "LOGLEVEL", "SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_80_TCP"],
)
def test_variables_of_other_programs_are_ignored(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Meltano, singer-sdk and Kubernetes set variables with our prefix."""
    assert from_variable(monkeypatch, name, "x") == {}


@pytest.mark.parametrize("name", ["STREAM_MAPS_RESERVATIONS_EMAIL", "AUTH_TOKEN_PROD", "TOKEN"])
def test_variables_of_a_meltano_project_are_ignored(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Meltano sets one for each part of an object, and projects keep their own values."""
    properties = {**SETTINGS, "stream_maps": {"type": "object"}}
    monkeypatch.setenv(PREFIX + name, "x")
    with pytest.raises(SettingsError):
        settings_of([], properties, PREFIX)
    monkeypatch.setenv("MELTANO_EXTRACTOR_NAME", "tap-bookio")
    assert settings_of([], properties, PREFIX) == {}


def test_a_variable_that_is_not_read_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that differs from the settings in use, including defaults."""
    monkeypatch.setenv("TAP_BOOKIO_PAGE_SIZE", "7")
    monkeypatch.setenv("TAP_BOOKIO_LANG", "en")
    monkeypatch.setenv("TAP_BOOKIO_FACILITY_IDS", "[1, 2]")
    monkeypatch.setenv("TAP_BOOKIO_DETECT_DELETIONS", "ture")
    settings = {"page_size": 7, "facility_ids": [2]}
    unread = ["TAP_BOOKIO_FACILITY_IDS", "TAP_BOOKIO_DETECT_DELETIONS"]
    assert unread_variables(settings, SETTINGS, PREFIX) == unread
    monkeypatch.setenv("MELTANO_LOADER_NAME", "tap-bookio")
    assert unread_variables(settings, SETTINGS, PREFIX) == []


def test_a_variable_in_dotenv_that_is_not_read_is_detected(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(BOM + b"TAP_BOOKIO_PAGE_SIZE=7\n")
    assert unread_variables({}, SETTINGS, PREFIX) == ["TAP_BOOKIO_PAGE_SIZE"]
    (tmp_path / ".env").write_bytes(b"\xff")
    assert unread_variables({}, SETTINGS, PREFIX) == []


@pytest.mark.parametrize("content", [b"TAP_BOOKIO_LANG=sk\n", b"TAP_BOOKIO_LANG=sk\r\n"])
def test_dotenv_may_begin_with_a_byte_order_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("TAP_BOOKIO_LANG", "overwritten")  # so that it is restored afterwards
    monkeypatch.delenv("TAP_BOOKIO_LANG")
    (tmp_path / ".env").write_bytes(BOM + content)
    assert settings_of(["ENV"], SETTINGS, PREFIX) == {"lang": "sk"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"X=\xff\n", "is not text in UTF-8; save it as UTF-8"),
        ("X=1\n".encode("utf-16"), "it looks like UTF-16"),
        ("X=1\n".encode("utf-16-le"), "it looks like UTF-16"),
        (b"TAP_BOOKIO_LANG=a\0b\n", "is not text in UTF-8; save it as UTF-8"),
        (b"A\0=b\n", "is not text in UTF-8"),
    ],
)
def test_a_dotenv_of_another_encoding_is_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        settings_of(["ENV"], SETTINGS, PREFIX)
    assert str(refused.value).startswith(f"{tmp_path / '.env'} is not text")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "in_file", "restored"),
    [
        ({"reservations.email": None}, {}, {"reservations": {"email": None}}),
        (
            {"reservations.email": None, "reservations.phone": "phone"},
            {"reservations": {"phone": "phone"}},
            {"reservations": {"email": None, "phone": "phone"}},
        ),
        ({"blocked_times": None}, {}, {"blocked_times": None}),
        ({"reservations": {"email": None}}, {}, {"reservations": {"email": None}}),
        ({"reservations.email": "email"}, {}, {}),
    ],
)
def test_nulls_that_meltano_drops_are_restored(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: dict[str, Any],
    in_file: dict[str, Any],
    restored: dict[str, Any],
) -> None:
    """A removed field is not loaded, although Meltano shows the null only in a variable."""
    monkeypatch.setenv("MELTANO_EXTRACT_STREAM_MAPS", json.dumps(variable))
    assert from_file(tmp_path, stream_maps=in_file)["stream_maps"] == in_file
    monkeypatch.setenv("MELTANO_EXTRACTOR_NAME", "tap-bookio")
    assert from_file(tmp_path, stream_maps=in_file).get("stream_maps", {}) == restored


def test_unknown_names_can_be_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The doctor reads the connection from the tap's settings, whatever else they hold."""
    few = {"lang": SETTINGS["lang"]}
    monkeypatch.setenv("TAP_BOOKIO_START_DATE", "2026-01-01")
    (tmp_path / "config.json").write_text('{"lang": "sk", "lango": 1}')
    found = settings_of([str(tmp_path / "config.json")], few, PREFIX, checks_names=False)
    assert found["lang"] == "sk"
    assert caplog.text == ""
