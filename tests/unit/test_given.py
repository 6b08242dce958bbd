"""Settings from files and from the environment: what is wrong is told by its name."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.errors import SettingsError
from bookio_singer.config import settings_of
from tap_bookio.settings import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path


def from_variable(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> dict[str, Any]:
    monkeypatch.setenv(f"TAP_BOOKIO_{name}", text)
    return settings_of(["ENV"], SETTINGS, "TAP_BOOKIO_")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PAGE_SIZE", "7", 7),
        ("PAGE_SIZE", "7.0", 7),
        ("REQUEST_TIMEOUT", "2.5", 2.5),
        ("REQUESTS_PER_SECOND", "5", 5),
        ("REQUESTS_PER_SECOND", "null", None),
        ("LOOKBACK_SECONDS", "0", 0),
        ("DETECT_DELETIONS", "True", True),
        ("DETECT_DELETIONS", "off", False),
        ("FACILITY_IDS", "[1, 2]", [1, 2]),
        ("ENDPOINT_OVERRIDES", '{"a": "GET /b"}', {"a": "GET /b"}),
        ("START_DATE", "2026-01-01", "2026-01-01"),
        ("AUTH_TOKEN", "12345", "12345"),
        ("AUTH_TOKEN", "", ""),
    ],
)
def test_a_variable_has_the_type_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any
) -> None:
    assert from_variable(monkeypatch, name, text) == {name.lower(): value}


def test_an_empty_variable_is_none_where_no_text_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_variable(monkeypatch, "PAGE_SIZE", "") == {}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("PAGE_SIZE", "x", "TAP_BOOKIO_PAGE_SIZE is not a whole number; write it as 4"),
        ("PAGE_SIZE", "2.5", "is not a whole number"),
        ("PAGE_SIZE", "9" * 5000, "is not a whole number"),
        ("REQUEST_TIMEOUT", "NaN", "is not a number; write it as 2.5"),
        ("REQUEST_TIMEOUT", "1e999", "is not a number"),
        ("REQUEST_TIMEOUT", "true", "is not a number"),
        ("DETECT_DELETIONS", "maybe", "is not true or false; write it as true"),
        ("FACILITY_IDS", "1,2", "TAP_BOOKIO_FACILITY_IDS is not JSON; write it as [8675, 8712]"),
        ("FACILITY_IDS", "1", "TAP_BOOKIO_FACILITY_IDS is not a list; write it as [8675, 8712]"),
        ("ENDPOINT_OVERRIDES", "{bad", 'TAP_BOOKIO_ENDPOINT_OVERRIDES is not JSON; write it as {"'),
    ],
)
def test_a_variable_of_another_form_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, told: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        from_variable(monkeypatch, name, text)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("content", "told"),
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
def test_a_file_that_holds_no_settings_is_named(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        settings_of([str(path)], SETTINGS, "")
    assert str(refused.value).startswith(f"--config {path} {told}")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        settings_of([str(tmp_path)], SETTINGS, "")


def settings_in(folder: Path, **settings: Any) -> dict[str, Any]:
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return settings_of([str(path)], SETTINGS, "")


def test_numbers_are_plain(tmp_path: Path) -> None:
    given = settings_in(tmp_path, request_timeout=2.5, page_size=7.0, facility_ids=[3.0])
    assert repr(given) == "{'request_timeout': 2.5, 'page_size': 7, 'facility_ids': [3]}"


def test_later_files_and_the_environment_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = []
    for number in (1, 2):
        sources.append(str(tmp_path / f"{number}.json"))
        (tmp_path / f"{number}.json").write_text(json.dumps({"lang": "sk", "page_size": number}))
    assert settings_of(sources, SETTINGS, "TAP_")["page_size"] == 2
    monkeypatch.setenv("TAP_PAGE_SIZE", "3")
    assert settings_of(["ENV", *sources], SETTINGS, "TAP_") == {"lang": "sk", "page_size": 3}


@pytest.mark.parametrize("name", ["personaldata", "Personal-Data", "personalData"])
def test_a_slip_of_a_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="did you mean personal_data") as refused:
        settings_in(tmp_path, **{name: "omit"})
    assert "omit" not in str(refused.value)


def test_a_name_like_none_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        settings_in(tmp_path, elsewhere=1)
    assert "'elsewhere'" in caplog.text


def test_null_in_a_file_is_not_set(tmp_path: Path) -> None:
    assert settings_in(tmp_path, start_date=None, page_size=None, lang="sk") == {"lang": "sk"}


@pytest.mark.parametrize(
    "content", [b"X=\xff\n", "X=1\n".encode("utf-16"), b"TAP_LANG=a\0b\n", b"A\0=b\n"]
)
def test_a_dotenv_that_is_no_text_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / ".env").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="is not text in UTF-8; save it as UTF-8") as refused:
        settings_of(["ENV"], SETTINGS, "TAP_")
    assert str(refused.value).startswith(str(tmp_path / ".env"))
