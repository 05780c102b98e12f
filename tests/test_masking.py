"""Passwords in URLs are shown nowhere, whatever they look like and wherever they stand."""

from __future__ import annotations

import traceback
from urllib.parse import quote, quote_plus

import pytest
from cli_setup import call
from table_study import table_study

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.masking import is_cut, masked, secrets_of, shown_url, without
from lionheart_opt.study.storage import open_storage

#: Passwords with everything that URLs, regular expressions and `repr` find special.
PASSWORDS = [
    "hunter2",
    "hun:ter/2@x",
    "hun?ter&2=#x",
    "hun%ter+2",
    "hun'ter\"2\\x",
    "hünter 2",
    "a.*(b",
]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hunter2@host:5432/db?x=1", "postgresql://me:***@host:5432/db?x=1"),
        ("postgresql://me@lab.org:hunter2@host/db", "postgresql://me@lab.org:***@host/db"),
        ("postgresql://postgres:postgres@host/db", "postgresql://postgres:***@host/db"),
        ("postgresql://me:hunter@2/x@host/db", "postgresql://me:***@host/db"),
        ("redis://:hunter2@host:1/0", "redis://:***@host:1/0"),
        ("postgresql:/me:hunter2@host/db", "postgresql:/me:***@host/db"),
        ("me:hunter2@host/db", "me:***@host/db"),
        ("x://h/db?sslpassword=hunter2&a=1", "x://h/db?sslpassword=***&a=1"),
        ("x://h/db?a=1&PWD=hunter2", "x://h/db?a=1&PWD=***"),
        ("x://me:hunter2@h/db?passwd=hunter2", "x://me:***@h/db?passwd=***"),
        ("x://h:1/db?password=hunter@2", "x://h:***"),
        (
            "mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dhunter2",
            "mssql+pyodbc:///?odbc_connect=***",
        ),
        (
            "x://h/db?aws_access_key_id=hunter2&api_key=hunter2",
            "x://h/db?aws_access_key_id=***&api_key=***",
        ),
        ("sqlite:///odd:name@home.db", "sqlite:///odd:name@home.db"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("${LAB_DB}", "${LAB_DB}"),
        ("", ""),
    ],
)
def test_urls_are_shown_without_passwords(url, shown):
    assert shown_url(url) == shown
    assert shown_url(shown) == shown


@pytest.mark.parametrize("password", PASSWORDS)
def test_secrets_are_known_as_written_and_as_told(password):
    for quoted in (password, quote(password, safe=""), quote_plus(password)):
        secrets = secrets_of(f"postgresql://me:{quoted}@host/db")
        assert {quoted, password} <= secrets
        for said in (password, repr(password), quoted):
            assert password not in without(secrets, f"cannot log in with {said}")
    for quoted in (quote(password, safe=""), quote_plus(password)):
        assert password in secrets_of(f"mysql://host/db?password={quoted}&x=1")


@pytest.mark.parametrize(
    ("url", "cut"),
    [
        ("postgresql://me:p@ss@h/db", True),
        ("postgresql://me:p@s?s@h/db", True),
        ("postgresql://me:p%40ss@h/db", False),
        ("postgresql://me:pa/ss?#@h/db", False),
        ("postgresql://me@h:1/db?mail=a@b&other=c@d", False),
        ("postgresql://h:1/db?mail=a@b&other=c@d", False),
        ("sqlite:///C:a@b@c.db", False),
    ],
)
def test_passwords_that_would_be_cut(url, cut):
    assert is_cut(url) == cut


def test_urls_in_a_text_are_masked():
    said = "got ['postgresql://me:hunter2@host/db', 'x://h/db?token=hunter2']; must be a text"
    assert (
        masked(said) == "got ['postgresql://me:***@host/db', 'x://h/db?token=***']; must be a text"
    )
    assert masked("12:30: a@b") == "12:30: a@b"


def everything_said(error: BaseException) -> str:
    """What a traceback prints, errors before it included."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "url",
    [
        "nosuch://me:{}@host/db",
        "postgresql://me:{}@127.0.0.1:1/db",
        "postgresql://me:{}@127.0.0.1:port/db",
        "sqlite+nosuch:///file?password={}",
        "postgresql:/me:{}@host/db",
        "{}",
        "redis://me:{}@127.0.0.1:port/0",
    ],
)
def test_no_error_shows_a_password(url, password, monkeypatch):
    for quoted in {password, quote(password, safe="")}:
        whole = url.format(quoted)
        if "?" in url and quoted != quote(password, safe=""):
            continue  # what follows a bare `&` is another option
        with pytest.raises(InputError) as error:
            open_storage(whole) if "{}" != url else open_storage(f"me:{quoted}@host/db")
        for way in (password, quoted):
            assert way not in everything_said(error.value)
        monkeypatch.setenv("LAB_DB", whole if "{}" != url else f"me:{quoted}@host/db")
        with pytest.raises(InputError) as error:
            open_storage("${LAB_DB}")
        for way in (password, quoted):
            assert way not in everything_said(error.value)


SECRET = "hün:ter@2"


@pytest.mark.parametrize("storage", ["postgresql://me:{}@127.0.0.1:1/db", "x://h/db?password={}"])
@pytest.mark.parametrize("verb", ["check", "run", "show", "compare", "plot", "table"])
def test_no_verb_shows_a_password(verb, storage, tmp_path):
    folder = table_study(tmp_path / "study", storage.format(SECRET))
    for options in ([], ["--json"]):
        code, out, err = call(verb, folder, *options)
        assert code == 2, "there is no such server"
        assert SECRET not in out + err and "***" in out + err


def test_no_representation_or_traceback_of_a_study_shows_a_password(tmp_path):
    folder = table_study(tmp_path / "study", f"postgresql://me:{SECRET}@127.0.0.1:1/db")
    study = lo.load(folder)
    for said in (study, study.file, study.file.table, study.file.table.limits):
        assert SECRET not in repr(said) + str(said)
    text = (folder / "study.toml").read_text()
    for wrong in (
        text.replace("max_drop = 0.05", "max_drop = nan"),
        text.replace('question = "', 'qestion = "'),
        text.replace("storage = ", "storage = [").replace('/db"', '/db"]'),
        text.replace('storage = "', 'storage = "x').replace('/db"', "/db"),
    ):
        (folder / "study.toml").write_text(wrong)
        with pytest.raises(InputError) as error:
            lo.load(folder)
        assert SECRET not in everything_said(error.value)


def test_the_record_and_the_report_hold_no_password(tmp_path, monkeypatch):
    """The password of a database is not what decides a result."""
    monkeypatch.setenv("LAB_FILE", SECRET)
    folder = table_study(tmp_path / "study", "sqlite:///${LAB_FILE}.db")
    assert call("run", folder)[0] == 0
    assert SECRET.encode() not in (folder / f"{SECRET}.db").read_bytes()
    assert call("export", folder, "--only", "random/seed0", "--trial", 0)[0] == 0
    [report] = folder.glob("export/*/report.json")
    assert SECRET not in report.read_text() and "${LAB_FILE}" in report.read_text()
