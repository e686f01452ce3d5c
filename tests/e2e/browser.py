"""A headless Chromium, as a person who reads what is written and presses what it says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

_FLAGS = (
    "--headless=new",
    # Root has no other choice, and the pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--hide-scrollbars",
    "--window-size=1280,900",
)


def chromium() -> tuple[str, str] | None:
    """Where Chromium and its driver are; None where they are not installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    return (found, driver) if found and driver else None


class Browser:
    """One person's browser. `shots`: where pictures of pages are kept."""

    def __init__(self, driver: webdriver.Chrome, url: str, shots: Path) -> None:
        self.driver = driver
        self._url = url
        self._shots = shots

    def open(self, path: str) -> None:
        self.driver.get(self._url + path)

    def text(self) -> str:
        """What can be read on the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def log_in(self, username: str, password: str) -> None:
        """As another person than before."""
        self.driver.delete_all_cookies()
        self.open("/login/")
        self.fill("Username", username)
        self.fill("Password", password)
        self.press("Log in")
        self.wait_for(lambda: "/login/" not in self.driver.current_url, what=username)

    def fill(self, label: str, value: str) -> None:
        """Write into the field that is called so, choose from its list, or choose a file for it."""
        field = self._labelled(label)
        if field.tag_name == "select":
            Select(field).select_by_visible_text(value)
            return
        if field.get_attribute("type") != "file":
            field.clear()
        field.send_keys(value)

    def press(self, words: str) -> None:
        """Press the button, or follow the link, that says exactly this."""
        thing = f"*[self::a or self::button or self::summary][contains(., {_literal(words)})]"

        def shown() -> list[WebElement]:
            """What is on the page itself goes before what is in its frame."""
            inside, anywhere = self._all(f"//main//{thing}"), self._all(f"//{thing}")
            # The admin's icons are letters too, and stand on a line before the words.
            return [
                e for e in inside + anywhere if e.is_displayed() and words in e.text.splitlines()
            ]

        self.wait_for(shown, what=words)
        element = shown()[0]
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def click(self, css: str) -> None:
        self.wait_for(lambda: bool(self.driver.find_elements(By.CSS_SELECTOR, css)))
        self.driver.find_element(By.CSS_SELECTOR, css).click()

    def read(self, words: str, seconds: float = 20.0) -> None:
        """Wait until the page says so."""
        self.wait_for(lambda: words in self.text(), seconds, words)

    def wait_for(self, reached: object, seconds: float = 20.0, what: str = "") -> None:
        assert callable(reached)

        def look(_: object) -> bool:
            try:
                return bool(reached())
            except (StaleElementReferenceException, WebDriverException):
                return False

        message = f"{what!r} was not seen; the page says:\n"
        try:
            WebDriverWait(self.driver, seconds, 0.2).until(look)
        except WebDriverException as error:
            self.shoot("not-seen")
            raise AssertionError(message + self.text()) from error

    def shoot(self, name: str, *, whole: bool = True) -> None:
        """Keep a picture of the page, as high as it is."""
        self._shots.mkdir(parents=True, exist_ok=True)
        height = 900
        if whole:
            script = "return document.documentElement.scrollHeight"
            height = max(900, min(3000, int(self.driver.execute_script(script))))
        self.driver.set_window_size(1280, height)
        self.driver.save_screenshot(str(self._shots / f"{name}.png"))
        self.driver.set_window_size(1280, 900)

    def complaints(self) -> list[str]:
        """What the browser's console has to say: errors of scripts, refused by the policy."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")  # type: ignore[no-untyped-call]  # as selenium ships it
            if entry["level"] == "SEVERE" and "favicon" not in entry["message"]
        ]

    def _labelled(self, label: str) -> WebElement:
        literal = _literal(label)
        path = f"//label[starts-with(normalize-space(.), {literal})]"
        self.wait_for(lambda: bool(self._all(path)), what=label)
        target = self._all(path)[0].get_attribute("for")
        assert target, f"the label {label} belongs to nothing"
        return self.driver.find_element(By.ID, target)

    def _all(self, path: str) -> list[WebElement]:
        return list(self.driver.find_elements(By.XPATH, path))


@contextmanager
def browser(url: str, shots: Path) -> Iterator[Browser]:
    """A browser with nothing remembered, gone at the end."""
    found = chromium()
    assert found is not None
    program, driver = found
    options = Options()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = tempfile.mkdtemp(prefix="chromium-")
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(chrome, url, shots)
    finally:
        chrome.quit()
        shutil.rmtree(profile, ignore_errors=True)


def _literal(text: str) -> str:
    """An XPath string; none of ours holds both kinds of quotes."""
    quote = '"' if '"' not in text else "'"
    return f"{quote}{text}{quote}"
