"""What Hugging Face's libraries have stored: found, or refused in one line; nothing is downloaded."""

import socket
import sys
from pathlib import Path

import pytest
from tiny_transformers import save_tokenizer

from lionheart_opt import pretrained
from lionheart_opt.errors import InputError


def test_the_library_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"here: needs the package transformers: pip install"):
        pretrained.library("here")


def test_folders_are_relative_to_the_study(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    assert pretrained.place_of("hf:net", tmp_path) == str(tmp_path / "net")
    assert pretrained.place_of(f"hf:{tmp_path}/net", Path()) == str(tmp_path / "net")
    assert pretrained.place_of("hf:owner/net", tmp_path) == "owner/net"
    assert pretrained.place_of("hf:", tmp_path) == ""


def test_a_folder_of_an_installed_package(tmp_path: Path) -> None:
    place = pretrained.place_of("hf:package:lionheart_opt/models", tmp_path)
    assert Path(place, "resnet.py").is_file()
    for name in ("no_such_package", "", "no.such", "sys"):
        with pytest.raises(InputError, match=r"package:.* is not installed"):
            pretrained.place_of(f"hf:package:{name}/model", tmp_path)


@pytest.mark.parametrize("place", ["owner/no-such-network", "./nothing", "a/b/c/d", "", "x" * 300])
def test_what_is_not_there_is_not_downloaded(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")

    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(InputError, match=r"neither a folder nor in the cache .* fetch it before"):
        pretrained.stored("AutoTokenizer", place, "here")


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(
        InputError, match=r"unknown class 'AutoModelForCausaLM' .did you mean 'Auto"
    ):
        pretrained.stored("AutoModelForCausaLM", str(tmp_path), "here")
    with pytest.raises(InputError, match="unknown class 'pipeline'"):
        pretrained.stored("pipeline", str(tmp_path), "here")
    with pytest.raises(InputError, match="local_files_only: got false; nothing is downloaded"):
        pretrained.stored("AutoConfig", str(tmp_path), "here", local_files_only=False)
    with pytest.raises(InputError, match="here: AutoConfig cannot load") as error:
        pretrained.stored("AutoConfig", str(tmp_path), "here")
    assert "\n" not in str(error.value)
    save_tokenizer(tmp_path)
    assert pretrained.stored("AutoTokenizer", str(tmp_path), "here").pad_token_id == 0
