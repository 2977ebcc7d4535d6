"""LiteRT.js in the user's cache: fetched once, whole, or told why not."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mvpose.errors import InputError
from mvpose.web_demo import litertjs


def put_parts(folder: Path) -> None:
    for part in litertjs.PARTS:
        path = folder / "@litertjs" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("part")


def test_another_folder_is_no_litertjs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder of LiteRT"):
        litertjs.find_litertjs(tmp_path)


def test_a_given_litertjs_is_taken_as_it_is(tmp_path: Path) -> None:
    put_parts(tmp_path)
    assert litertjs.find_litertjs(tmp_path) == tmp_path / "@litertjs"
    assert litertjs.find_litertjs(tmp_path / "@litertjs") == tmp_path / "@litertjs"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        pytest.param("PATH", "", "no npm to fetch it", id="no npm"),
        pytest.param(
            "npm_config_registry", "http://127.0.0.1:9/", "npm could not fetch", id="no registry"
        ),
    ],
)
def test_nothing_is_left_of_a_failed_fetch(
    name: str, value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name != "PATH" and not shutil.which("npm"):
        pytest.skip("NOT TESTED: needs npm")
    cache = tmp_path / "cache"
    monkeypatch.setattr(litertjs, "user_cache", lambda: cache)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said) as caught:
        litertjs.find_litertjs()
    assert "--litertjs" in caught.value.hint
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(litertjs, "user_cache", lambda: tmp_path / "file" / "mvpose")
    with pytest.raises(InputError, match="cannot write") as caught:
        litertjs.find_litertjs()
    assert "--litertjs" in caught.value.hint


@pytest.mark.parametrize(
    "break_part",
    [
        pytest.param(Path.unlink, id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
    ],
)
@pytest.mark.parametrize("part", litertjs.PARTS)
def test_a_damaged_cache_is_fetched_again(
    part: str, break_part: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litertjs, "user_cache", lambda: tmp_path)
    monkeypatch.setattr(litertjs, "_install", lambda folder: put_parts(folder / "node_modules"))
    found = litertjs.find_litertjs()
    break_part(found / part)
    assert litertjs.find_litertjs() == found
    assert (found / part).read_text() == "part"


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: of Linux")
def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert litertjs.user_cache() == tmp_path / "mvpose"
