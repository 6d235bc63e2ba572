"""The Dagster UI as its user sees it: what can be clicked is found by what it says, not by how the page is made."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as TookTooLong

CHROMIUM = Path("/usr/bin/chromium")
# As root, Chromium starts without its sandbox only; the rest keeps it from talking to Google.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WIDTH, _HEIGHT = 1440, 900
_SECONDS = 60  # for a page to show what it has; a loaded machine takes ten
_SECONDS_OF_A_LIST = 5
_NOTHING_LOADS = ".bp5-spinner, [class*=Spinner], [class*=LoadingSpinner]"


class Dialog:
    """What "Materialize" opens, for assets with partitions."""

    def __init__(self, ui: "Ui") -> None:
        self._ui = ui
        self._dialog = ui.page.get_by_role("dialog")

    def choose(self, months: str) -> None:
        """Write months as the dialog has them: `2024-01`, or `[2024-01...2024-03]`."""
        box = self._dialog.get_by_placeholder("ex: ")
        box.fill(months)
        box.press("Tab")  # it is read when the box is left

    def launch(self, button: str) -> None:
        """Launch what was chosen, and follow the link in what the UI says then."""
        self._dialog.get_by_role("button", name=button, exact=True).click()
        self._ui.view_launched()


class Ui:
    """One window.

    Args:
        page: the window.
        url: where the webserver is.
        pictures: a folder for pictures of what is seen; none are taken without it.
    """

    def __init__(self, page: Page, url: str, pictures: Path | None) -> None:
        self.page = page
        self._url = url
        self._pictures = pictures

    def open(self, path: str) -> None:
        self.page.goto(self._url + path)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Show nothing meanwhile: a page that shows progress takes as much of a core as the run that it is about."""
        url = self.page.url
        self.page.goto("about:blank")
        yield
        self.page.goto(url)

    def follow(self, name: str) -> None:
        """Click on the first link that says this; it may have an icon, which is a part of its name."""
        self._link(name).first.click()

    def see(self, text: str, seconds: float = _SECONDS) -> Locator:
        """Wait until some place of the page says this and nothing else; gives the first such place."""
        place = self.page.get_by_text(text, exact=True).first
        expect(place).to_be_visible(timeout=seconds * 1000)
        return place

    def see_times(self, text: str, times: int, seconds: float = _SECONDS) -> None:
        """Wait until so many places say this."""
        places = self.page.get_by_text(text, exact=True).filter(visible=True)
        expect(places).to_have_count(times, timeout=seconds * 1000)

    def see_row(self, *cells: str) -> None:
        """Wait for a row of a table that has these texts, in one cell each."""
        row = self.page.get_by_role("row")
        for cell in cells:
            row = row.filter(has=self.page.get_by_text(cell, exact=True))
        expect(row.first).to_be_visible()

    def see_plots(self, *names: str) -> None:
        """Wait for plots of these names and no others."""
        for name in names:
            self.see(name)
        expect(self.page.locator("canvas")).to_have_count(len(names))

    def materialize_all(self) -> Dialog:
        self.page.get_by_role("button", name="Materialize all").click()
        return Dialog(self)

    def view_launched(self) -> None:
        """Follow the link in what the UI says of a launch."""
        self.page.locator("[data-sonner-toast]").get_by_role("link", name="View").click()
        self.page.mouse.move(0, 0)  # what the pointer rests on does not go away

    def choose(self, box: str, name: str) -> None:
        """Type the name into the box, and click on it in the list below; again where the page was still being made."""
        give_up = time.monotonic() + _SECONDS
        in_the_list = self.page.get_by_text(name, exact=True).first
        while time.monotonic() < give_up:
            self.page.get_by_placeholder(box).fill(name)
            with suppress(TookTooLong):  # a page that goes on loading empties the box
                return in_the_list.click(timeout=_SECONDS_OF_A_LIST * 1000)
        raise AssertionError(f"{box} has no {name}")

    def be_high(self, height: int = _HEIGHT) -> None:
        """Make the window that high, in pixels."""
        self.page.set_viewport_size({"width": _WIDTH, "height": height})

    def search(self, text: str) -> None:
        """Type into the search that `/` opens from any page."""
        self.page.keyboard.press("/")
        self.page.keyboard.type(text, delay=20)

    def switch_on(self, automation: str) -> None:
        """Turn its switch on the Automation page; the row's other box is for choosing several."""
        switch = self.page.locator("[data-index]").filter(has=self._link(automation)).get_by_role("checkbox").nth(1)
        switch.locator("xpath=..").click()  # the box itself lies under its picture
        expect(switch).to_be_checked()

    def picture(self, name: str, centre: Locator | None = None) -> None:
        """Keep what is seen now as a PNG, once nothing moves or loads any more.

        Args:
            name: of the file, without its ending.
            centre: what to scroll to.
        """
        if self._pictures is None:
            return
        expect(self.page.locator("[data-sonner-toast]")).to_have_count(0)  # it goes by itself
        if centre is not None:
            centre.evaluate("place => place.scrollIntoView({block: 'start'})")
        expect(self.page.locator(_NOTHING_LOADS).filter(visible=True)).to_have_count(0)
        self.page.wait_for_timeout(1500)  # graphs and plots have animations that nothing tells the end of
        self._pictures.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._pictures / f"{name}.png", animations="disabled")

    def _link(self, name: str) -> Locator:
        return self.page.get_by_role("link").filter(has=self.page.get_by_text(name, exact=True))


@contextmanager
def window(url: str) -> Iterator[Ui]:
    """A window of a Chromium of its own; `TAXI_TESTS_SCREENSHOTS` names a folder for pictures."""
    pictures = os.environ.get("TAXI_TESTS_SCREENSHOTS")
    expect.set_options(timeout=_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        page = browser.new_page(
            viewport={"width": _WIDTH, "height": _HEIGHT},
            device_scale_factor=1,
            color_scheme="light",
            locale="en-US",
            reduced_motion="reduce",
        )
        page.set_default_timeout(_SECONDS * 1000)
        yield Ui(page, url, Path(pictures).absolute() if pictures else None)
        browser.close()
