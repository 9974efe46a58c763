"""Chromium without a window, and what the tests of the web page find and type there."""

import contextlib
import shutil
import tempfile

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
PROGRAMS = ("chromium", "chromedriver")


@contextlib.contextmanager
def browser(width=1200, height=900):
    """Start a Chromium without a window, new and empty; yields Selenium's driver."""
    from selenium import webdriver

    chromium, chromedriver = (shutil.which(program) for program in PROGRAMS)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={folder}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
        try:
            yield driver
        finally:
            driver.quit()


def find(driver, selector, text="", *, seconds=60):
    """Wait for a visible element that a CSS selector finds, and that holds a text; returns it."""
    from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
    from selenium.webdriver.support.wait import WebDriverWait

    def found(driver):
        elements = driver.find_elements("css selector", selector)
        return next((element for element in elements if element.is_displayed() and text in element.text), None)

    wait = WebDriverWait(driver, seconds, ignored_exceptions=[StaleElementReferenceException])
    try:
        return wait.until(found)
    except TimeoutException as error:
        page = driver.find_element("css selector", "body").text
        raise LookupError(f"The page shows no {selector} with {text!r}, but:\n{page}") from error


def wait_for(driver, name, text, *, seconds=60):
    """Wait until a text stands in the field of a name."""
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(driver, seconds).until(lambda driver: field(driver, name).get_attribute("value") == text)


def field(driver, name):
    """Return the field of a name."""
    return find(driver, f"#{name} textarea, #{name} input")


def type_in(driver, name, text):
    """Replace what stands in the text field of a name."""
    from selenium.webdriver.common.keys import Keys

    field(driver, name).send_keys(Keys.CONTROL, "a")
    field(driver, name).send_keys(Keys.DELETE, text)
