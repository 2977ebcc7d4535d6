"""A headless Chromium, to measure what it does with the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mvpose.errors import InputError, require

FLAGS = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip
NO_GPU = "--disable-gpu"
LONGEST_S = 60


@contextmanager
def chromium(folder: Path, *flags: str) -> Iterator[Any]:
    """A browser with a new profile, that logs its console and what it asks the network for.

    Args:
        folder: for the profile, and for ``downloads``.
        flags: further ones.

    Raises:
        InputError: Chromium, its driver or selenium is missing.
    """
    require("selenium", "test")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        raise InputError(
            "there is no chromium with chromedriver here", "apt install chromium chromium-driver"
        )
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options: Any = webdriver.ChromeOptions()
    options.binary_location = program
    options.page_load_strategy = "eager"
    downloads = folder / "downloads"
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    for flag in (*FLAGS, *flags, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser: Any = webdriver.Chrome(options=options, service=Service(driver))
    browser.set_script_timeout(LONGEST_S)
    try:
        yield browser
    finally:
        browser.quit()
