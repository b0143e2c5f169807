"""The report in a browser: headless Chromium, where there is one."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.report.page import page
from experiments.trained.comparison import find
from tests.helpers.run_folders import FID, make_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
EVIL = "<script>alert(1)</script>"

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no chromium and chromedriver on the PATH to open the report in"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Page:
    """A report that is open in the browser."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def js(self, code: str, *arguments: Any) -> Any:
        return self.browser.execute_script(code, *arguments)

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        return [element.text.strip() for element in self.all(selector) if element.is_displayed()]

    def until(self, holds: Callable[[], Any]) -> Any:
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.browser, 5, poll_frequency=0.02).until(lambda _: holds())

    def names(self) -> list[str]:
        """Configurations of the leaderboard, in order."""
        return self.texts(".board tbody .name")

    def choose(self, id: str, value: str) -> None:
        self.js(
            "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('change'))",
            id,
            value,
        )

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Callable[..., Page]:
    """show(root, width=..., dark=...) opens the report of the runs below root."""

    def show(root: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        file = tmp_path / "report.html"
        file.write_text(page(find([root])[0]))
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        browser.get_log("browser")  # of the page before
        browser.get(file.as_uri())
        browser.execute_script("try { localStorage.clear() } catch {}")
        return Page(browser)

    return show


@pytest.fixture
def three(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    for seed in (0, 1):
        make_run(root, "alpha", seed, fid=20 + seed, rows=40, grids=4)
    make_run(root, "beta", 0, fid=5, rows=20, grids=2, config={"lr": 0.5})
    make_run(root, "gamma", 0, fid=12, status="diverged", grids=0)
    return root


def test_a_report_opens_and_works(show, three):
    """Sort, filter, select, hover: a few seconds in all."""
    from selenium.webdriver import ActionChains, Keys

    opened = show(three)
    assert opened.names() == ["beta", "gamma 1 warning", "alpha"]
    assert opened.texts(".board .top b") == ["5", "8.5"]

    # Sorting, by mouse and by keyboard; the direction is told.
    by_name, by_fid = opened.one("th.name button"), opened.all(".board thead button")[3]
    by_name.click()
    assert [name.split()[0] for name in opened.names()] == ["alpha", "beta", "gamma"]
    assert opened.one("th.name").get_attribute("aria-sort") == "ascending"
    by_fid.send_keys(Keys.ENTER)
    assert [name.split()[0] for name in opened.names()] == ["beta", "gamma", "alpha"]
    assert opened.one("th.name").get_attribute("aria-sort") is None
    by_fid.send_keys(Keys.SPACE)
    assert by_fid.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    assert [name.split()[0] for name in opened.names()] == ["alpha", "gamma", "beta"]

    # Filtering
    opened.one("#filter").send_keys("DIVER")
    assert opened.names() == ["gamma 1 warning"]
    opened.one("#filter").send_keys(Keys.CONTROL, "a")
    opened.one("#filter").send_keys(Keys.DELETE)
    assert len(opened.names()) == 3

    # Hovering shows the values of all runs at that iteration.
    opened.js("document.getElementById('metric-panel').scrollIntoView({block: 'center'})")
    opened.until(lambda: opened.all("#metric-panel canvas"))
    rows = "#metric-panel .readout tbody tr"
    assert opened.one("#metric-panel caption").text == "End, iteration 4,000"
    assert [text.split()[:1] for text in opened.texts(rows)] == [["beta"], ["gamma"], ["alpha"], ["alpha"]]
    over = opened.one("#metric-panel .u-over")
    ActionChains(opened.browser).move_to_element_with_offset(over, -over.size["width"] // 2 + 3, 0).perform()
    opened.until(lambda: opened.one("#metric-panel caption").text.startswith("At iteration"))
    first = opened.texts(rows)
    assert len(first) == 4
    assert [text.split()[-1] for text in first] == ["25", "32", "40", "41"]

    # Unselected runs leave the chart.
    opened.js("document.querySelector('[data-row=\"0\"] input').click()")
    assert [text.split()[0] for text in opened.texts(rows)] == ["gamma", "alpha", "alpha"]
    assert opened.one("#selected").text == "2 of 3 selected"

    assert opened.js("return performance.getEntriesByType('resource').map((entry) => entry.name)") == []
    assert opened.errors() == []


@pytest.mark.slow
def test_charts_follow_their_settings(show, three):
    from selenium.webdriver import Keys

    opened = show(three, height=4000)
    opened.until(lambda: len(opened.all("canvas")) == 5)
    assert opened.texts("#loss-panel h4") == ["D loss", "D gradient norm", "G loss", "G gradient norm"]
    opened.choose("axis", "images")
    assert opened.one("#metric-panel caption").text == "End, images 256,000"
    opened.choose("axis", "seconds")
    assert opened.one("#loss-panel caption").text == "End, seconds 120.1"
    opened.choose("terms", "D/real")
    assert opened.texts("#loss-panel h4") == ["D/real"]
    opened.choose("metric", "is_classifier")
    assert "higher is better" in opened.one("#metric option:checked").text
    opened.choose("axis", "iteration")
    opened.one("#metric-log").click()
    chart = opened.one("#metric-panel .chart")
    for _ in range(3):
        chart.send_keys(Keys.ARROW_LEFT)
    assert opened.one("#metric-panel caption").text.startswith("At iteration 3")
    opened.choose("kind", "last")
    assert opened.texts(".board tbody tr:first-child b") == ["6", "7.5"]
    opened.one("#select-none").click()
    assert opened.texts("#metric-panel .empty") == ["Select a configuration above."]
    opened.one("#select-shown").click()
    assert len(opened.all("#metric-panel .readout tbody tr")) == 4
    assert opened.errors() == []


@pytest.mark.slow
def test_one_slider_moves_the_samples_of_all_runs(show, three):
    from selenium.webdriver import Keys

    opened = show(three, height=4000)
    captions = "#samples figcaption span"
    assert opened.texts(captions) == ["iteration 200", "iteration 400", "iteration 400"]
    before = [image.get_attribute("src") for image in opened.all("#samples img")]
    opened.one("#time").send_keys(Keys.ARROW_LEFT)
    assert opened.texts(captions) == ["iteration 200", "iteration 300", "iteration 300"]
    opened.one("#time").send_keys(Keys.HOME)
    assert opened.texts(captions) == ["iteration 100"] * 3
    assert opened.one("#time-shown").text == "100"
    after = [image.get_attribute("src") for image in opened.all("#samples img")]
    assert all(source.startswith("data:image/") for source in after)
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert opened.js("return [...document.querySelectorAll('#samples img')].every((image) => image.naturalWidth)")
    assert opened.errors() == []


@pytest.mark.slow
def test_the_theme_follows_the_system_and_the_button(show, three):
    back = "return getComputedStyle(document.body).backgroundColor"
    light, dark = show(three).js(back), show(three, dark=True).js(back)
    assert light != dark
    opened = show(three)
    seen = []
    for _ in range(3):
        opened.one("#theme").click()
        seen.append((opened.one("#theme").get_attribute("aria-label"), opened.js(back)))
    assert seen == [("Colours: Light", light), ("Colours: Dark", dark), ("Colours: System", light)]


@pytest.mark.slow
def test_settings_and_commands_of_runs(show, three):
    opened = show(three, height=4000)
    told = dict(zip(opened.texts("#settings tbody th"), opened.all("#settings tbody tr"), strict=True))
    assert [cell.text for cell in told["lr"].find_elements("css selector", "td")] == ["0.5", "–", "–", "–"]
    opened.one("a.badge").click()
    assert opened.texts("details[open] .warning") == [
        "Iteration 2,000: diverged: a loss or gradient became NaN or infinite."
    ]
    button = opened.one(".board .copy")
    opened.browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    button.click()
    opened.until(lambda: button.text == "Copied")
    copied = opened.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == "python -m experiments.train variant=vanilla seed=0"


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 820, 1280])
def test_no_page_scrolls_sideways(show, three, width):
    make_run(three, "a-very-long-name-" * 8, 0)
    opened = show(three, width=width, height=4000)
    opened.until(lambda: len(opened.all("canvas")) == 5)
    assert opened.js("return document.documentElement.scrollWidth") <= width
    assert opened.js("return innerWidth") == width
    headline = opened.all(".board thead th.number")[1]
    assert headline.location["x"] + headline.size["width"] <= width, "the headline metric is seen without scrolling"


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 200])
def test_a_report_opens_in_two_seconds(show, tmp_path, count):
    root = tmp_path / "runs"
    for k in range(count):
        make_run(
            root, f"run{k}", k, fid=10 + k, rows=500, grids=10 if k < 30 else 1, side=256, noise=True, config={"lr": k}
        )
    opened = show(root)
    milliseconds = opened.until(
        lambda: opened.js("const t = performance.timing; return t.loadEventEnd && t.loadEventEnd - t.navigationStart")
    )
    assert milliseconds < 2000
    assert (tmp_path / "report.html").stat().st_size < 15e6
    assert len(opened.all(".board tbody tr")) == count
    opened.js("document.getElementById('loss-panel').scrollIntoView()")
    opened.until(lambda: len(opened.all("canvas")) == 5)
    opened.choose("axis", "seconds")
    select_all = "document.getElementById('select-shown').click()"
    taken = opened.js(f"const start = performance.now(); {select_all}; return performance.now() - start")
    size = (tmp_path / "report.html").stat().st_size
    print(f"{count} runs, {size:,} bytes: opened in {milliseconds} ms, all curves drawn in {taken:.0f} ms")
    assert taken < 5000
    assert len(opened.all("#metric-panel .readout tbody tr")) == count
    assert opened.errors() == []


@pytest.mark.slow
def test_a_run_that_is_named_like_a_script_is_a_name(show, tmp_path):
    from selenium.webdriver.support.expected_conditions import alert_is_present

    root = tmp_path / "runs"
    bad = "<img src=x onerror=alert(1)>"
    for seed in (0, 1):
        run = make_run(root, "plain", seed, config={"note": f"{EVIL}{seed}", "seed": seed, bad: seed}, data=bad)
        command = run / "command.txt"
        command.write_text(f"python \"{EVIL}\" '{bad}'\n")
        for name in ("losses.csv", "metrics.csv"):
            (run / name).write_text((run / name).read_text().replace("D/real", bad).replace(FID, EVIL))
    make_run(
        root,
        EVIL,
        0,
        data=bad,
        config={"names": {"variant": "vanilla", "data": bad, "run": f"{EVIL.replace('/', '_')}-0", "group": EVIL}},
        summary={"metrics": {EVIL: {"best": 1, "last": 1, "better": "lower"}}, "warnings": [{"text": bad}]},
    )
    opened = show(root, height=4000)
    opened.until(lambda: opened.all("canvas"))
    for metric in (EVIL, FID):
        opened.choose("metric", metric)
    opened.choose("terms", bad)
    assert not alert_is_present()(opened.browser)
    assert EVIL in " ".join(opened.names())
    assert opened.texts("#loss-panel h4") == [bad]
    assert opened.all("img[src='x']") == []
    assert f"{EVIL}0" in opened.one("#settings").text
    assert opened.errors() == []
    assert opened.js("return document.scripts.length") == 3
