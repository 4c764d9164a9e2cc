"""Debian's chromium, driven by selenium: without a window, without anything from the network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = "chromium", "chromedriver"
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
)  # fmt: skip


def missing() -> str:
    """What is missing for tests in a browser; empty if all is there."""
    lacking = [f"Debian's {name}" for name in (CHROMIUM,) if shutil.which(name) is None]
    lacking += ["Debian's chromium-driver"] if shutil.which(DRIVER) is None else []
    lacking += ["the package selenium"] if find_spec("selenium") is None else []
    return f"needs {', '.join(lacking)}" if lacking else ""


@contextmanager
def browser(home: Path, dark: bool = False, size: tuple[int, int] = (1440, 1000)) -> Iterator[Any]:
    """A browser with a profile of its own in the folder `home`; ends with the block."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which(CHROMIUM))
    for word in (*OPTIONS, f"--user-data-dir={home}", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(str(shutil.which(DRIVER))))
    try:
        resize(driver, *size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()


def resize(driver: Any, width: int, height: int) -> None:
    """The size of the page [pixel]."""
    form = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", form)


def complaints(driver: Any) -> list[str]:
    """What the browser has complained of since the last call: scripts, policies, lost files."""
    return [one["message"] for one in driver.get_log("browser") if one["level"] in ("SEVERE", "WARNING")]
