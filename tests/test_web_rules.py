"""The browser demo's rules in JavaScript against the golden vectors, its style and its types."""

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parent.parent / "web_demo"


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"NOT TESTED: needs {name}")
    return found


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_javascript_computes_what_python_computes() -> None:
    said = run(program("node"), "--test", "--test-reporter=tap", cwd=WEB)
    assert "# fail 0" in said and "# skipped 0" in said
    assert int(said.partition("# pass ")[2].split()[0]) > 100


def test_style_and_types(tmp_path: Path) -> None:
    npm, copy = program("npm"), tmp_path / "web_demo"
    shutil.copytree(WEB, copy, ignore=shutil.ignore_patterns("node_modules", "*.py"))
    fetched = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"], cwd=copy, capture_output=True, text=True
    )
    if fetched.returncode:
        pytest.skip(f"NOT TESTED: npm fetches no tools: {fetched.stderr.strip()[-300:]}")
    run(npm, "run", "check", cwd=copy)


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (WEB / "package-lock.json").read_text("utf-8")
