"""The pages in a real browser."""

import time
from types import SimpleNamespace

import pytest

from musedeep.campaign.review.campaign import Campaign
from musedeep.campaign.review.export import export
from musedeep.quality.record import PRODUCT, ProductRecord, folder_name, read_record, write_record
from musedeep.selection.campaign.plan_file import read_plan
from tests.makers.browser import browser, complaints, missing, resize
from tests.makers.page_checks import CONTRAST, NAMELESS
from tests.makers.review_server import review_server
from tests.makers.reviewed_campaign import copied, reviewed_campaign

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

PRODUCTS = 500
LOADS = 3
"""Of the page, whose times are printed."""
KEY, OTHER = "FIELD-001/v1", "FIELD-002/v1"
PAINT = "return performance.getEntriesByType('paint').find((one) => one.name === 'first-contentful-paint')?.startTime"
"""Time from the start of the navigation [ms]."""
SORT = (
    "const start = performance.now(); document.querySelector('th:nth-child(9) button').click();"
    "document.body.offsetHeight; return performance.now() - start"
)
"""Time to sort the table by ABMAGLIM [ms]."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return reviewed_campaign(tmp_path_factory.mktemp("browsed"), products=3, exposures=4)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def served(made, tmp_path_factory):
    """A campaign that is served, for all tests."""
    plan = copied(made, tmp_path_factory.mktemp("served"))
    with review_server(plan) as address:
        yield plan, address


@pytest.fixture
def site(served, chromium):
    """The campaign, and a browser that has just opened its address."""
    plan, address = served
    home = address.split("?")[0]
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.get(home)
    chromium.execute_script("localStorage.clear(); sessionStorage.clear();")
    chromium.get(address)
    complaints(chromium)
    return SimpleNamespace(plan=plan, campaign=Campaign(plan), page=chromium, home=home)


def all_of(page, selector):
    return page.find_elements("css selector", selector)


def one_of(page, selector):
    return page.find_element("css selector", selector)


def click(page, selector, number=0):
    """Click on something, from under the head of the page."""
    one = all_of(page, selector)[number]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", one)
    one.click()


def press(page, keys):
    one_of(page, "body").send_keys(keys)


def until(true, seconds=60.0):
    """Wait for something; what the browser does takes its time."""
    from selenium.common.exceptions import WebDriverException

    end = time.monotonic() + seconds
    while True:
        try:
            if value := true():
                return value
        except WebDriverException:  # the page is on its way
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.03)


def shown(page):
    return [one.text.split()[0] for one in all_of(page, "#products tbody tr") if one.is_displayed()]


def open_product(site, number=0):
    site.page.get(f"{site.home}products/FIELD-{number + 1:03d}/v1/index.html")


def loaded(page, selector):
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].every(i => i.complete && i.naturalWidth > 0)", selector
    )


def test_table(site):
    from selenium.webdriver.common.keys import Keys

    page = site.page
    assert "token" not in page.current_url
    names = ["FIELD-001", "FIELD-002", "FIELD-003"]
    assert shown(page) == names
    click(page, "#products thead th:nth-child(9) button")
    assert shown(page) == names[::-1] and all_of(page, "th[aria-sort=descending]")[0].text.startswith("ABMAGLIM")
    click(page, "#products thead th:nth-child(9) button")
    assert shown(page) == names
    click(page, "#only-failed")
    assert shown(page) == names[:1] and one_of(page, "#shown").text == "1 shown"
    click(page, "#only-failed")
    press(page, "/")
    page.switch_to.active_element.send_keys("field x")
    assert shown(page) == []
    one_of(page, "#filter").clear()
    one_of(page, "#filter").send_keys("field 003")
    assert shown(page) == names[2:]
    one_of(page, "#filter").send_keys(Keys.CONTROL, "a")
    one_of(page, "#filter").send_keys(Keys.DELETE, Keys.ESCAPE)
    click(page, ".count[data-state=rejected]")
    assert shown(page) == [] and one_of(page, "#nothing").is_displayed()
    click(page, ".count[data-state='']")
    press(page, "jj")
    assert one_of(page, "tr.here").text.startswith("FIELD-002")
    press(page, "k")
    page.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: page.current_url.endswith("FIELD-001/v1/index.html"))
    assert complaints(page) == []


def test_product(site):
    from selenium.webdriver.common.keys import Keys

    page = site.page
    open_product(site)
    until(lambda: loaded(page, ".sky img"))
    assert len(all_of(page, ".sources circle")) >= 3
    current = lambda: one_of(page, "#current").text.split()[0]  # noqa: E731
    assert current() == "1/4"
    press(page, Keys.ARROW_RIGHT)
    assert current() == "2/4" and one_of(page, "#blink-residual").get_attribute("src").endswith("residual-1.png")
    press(page, Keys.ARROW_LEFT)
    press(page, Keys.ARROW_LEFT)
    assert current() == "4/4"
    press(page, " ")
    until(lambda: current() == "2/4")
    press(page, " ")
    assert one_of(page, "#play").get_attribute("aria-pressed") == "false"
    press(page, "s")
    until(lambda: len(all_of(page, "#contact img")) == 4 and loaded(page, "#contact img"))
    click(page, "#contact button", 2)
    assert current() == "3/4" and "06-16" in one_of(page, "#exposures tr.here").text
    click(page, ".findings a")
    assert current() == "2/4"
    press(page, "?")
    assert one_of(page, "#help").is_displayed()
    press(page, Keys.ESCAPE)
    assert not one_of(page, "#help").is_displayed()
    press(page, "j")
    until(lambda: "FIELD-002" in page.current_url)
    press(page, "k")
    until(lambda: "FIELD-001" in page.current_url)
    press(page, "u")
    until(lambda: page.current_url.endswith("/index.html") and "FIELD" not in page.current_url)
    assert complaints(page) == []


def test_next_and_previous_follow_the_table(site):
    page = site.page
    click(page, "#products thead th:nth-child(9) button")
    click(page, "#products tbody tr:nth-child(2) a")
    until(lambda: one_of(page, "#position").text == "2 of 3")
    press(page, "j")
    until(lambda: "FIELD-001" in page.current_url)
    assert one_of(page, "#next").get_attribute("aria-disabled") == "true"


def test_decisions(site):
    page, campaign = site.page, site.campaign
    open_product(site)
    press(page, "a")
    until(lambda: campaign.item(KEY).state == "accepted")
    until(lambda: one_of(page, "h1 .state").text == "accepted")
    # the browser asks for the reason
    click(page, "button[value=reject]")
    assert one_of(page, "#text").get_property("validity")["valueMissing"] and campaign.item(KEY).state == "accepted"
    press(page, "c")
    page.switch_to.active_element.send_keys("a fine field, ask (about j/k/a)")
    click(page, "button[value=certify]")
    until(lambda: "certified" in one_of(page, "h1 .state").text)
    last = campaign.item(KEY).review.history[-1]
    assert (last.action, last.by, last.text) == ("certify", "A. Reviewer", "a fine field, ask (about j/k/a)")
    # exclude the exposure that a finding names
    click(page, ".findings a")
    press(page, "x")
    page.switch_to.active_element.send_keys("doubled stars")
    click(page, "button[value=exclude]")
    until(lambda: all_of(page, "#redo"))
    name = campaign.item(KEY).product.exposures[1].name
    target = next(one for one in read_plan(site.plan).targets if one.name == "FIELD-001")
    assert [(one.exposure, one.text, one.by) for one in target.rejected] == [(name, "doubled stars", "A. Reviewer")]
    assert f"without {name}" in one_of(page, "#redo").text and "to review" in one_of(page, "h1 .state").text
    press(page, "a")
    until(lambda: "has to be made again first" in one_of(page, "#message").text)
    click(page, "[data-take-back]")
    until(lambda: not all_of(page, "#redo") and not all_of(page, "#message"))
    page.get(site.home)
    assert "to review" in one_of(page, "#products tbody tr").text
    assert all("400 (BAD REQUEST)" in one for one in complaints(page))


def test_two_tabs(site):
    page, campaign = site.page, site.campaign
    open_product(site, 1)
    first = page.current_window_handle
    page.switch_to.new_window("tab")
    try:
        open_product(site, 1)
        press(page, "a")
        until(lambda: one_of(page, "h1 .state").text == "accepted")
    finally:
        page.close()
        page.switch_to.window(first)
    one_of(page, "#text").send_keys("waves")
    click(page, "button[value=reject]")
    until(lambda: "nothing was written" in one_of(page, "#message").text)
    assert campaign.item(OTHER).state == "accepted" and one_of(page, "#text").get_property("value") == "waves"
    click(page, "button[value=reject]")
    until(lambda: one_of(page, "h1 .state").text == "rejected")
    assert campaign.item(OTHER).state == "rejected"


def test_without_the_token(site):
    page, before = site.page, site.campaign.item(KEY).review
    page.execute_cdp_cmd("Network.clearBrowserCookies", {})
    open_product(site)
    assert not all_of(page, "#decide") and one_of(page, ".readonly").is_displayed()
    press(page, "a")
    press(page, "x")
    # a form of our own, without cookie and word
    page.execute_script(
        "const form = document.createElement('form'); form.method = 'post'; form.action = 'decide';"
        "document.body.append(form); form.submit()"
    )
    until(lambda: "read only" in one_of(page, "body").text and "FIELD" not in one_of(page, "body").text)
    assert site.campaign.item(KEY).review == before


def test_page_of_another_origin_decides_nothing(site, tmp_path):
    """Its form would reach the server, with the cookie if the browser would send it."""
    action = f"{site.home}products/FIELD-001/v1/decide"
    (tmp_path / "evil.html").write_text(
        f"<form method=post action='{action}'><input name=action value=accept><input name=by value=x></form>"
        f"<img id=i src='{site.home}products/FIELD-001/v1/pictures/field.png'>"
        f"<iframe src='{site.home}'></iframe>"
    )
    page, before = site.page, site.campaign.item(KEY).review
    page.get((tmp_path / "evil.html").as_uri())
    until(lambda: page.execute_script("return document.querySelector('#i').complete"))
    assert page.execute_script("return document.querySelector('#i').naturalWidth") == 0
    page.execute_script("document.forms[0].submit()")
    until(lambda: page.current_url == action)
    assert "FIELD" not in one_of(page, "body").text and site.campaign.item(KEY).review == before


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_and_names(site, dark):
    page = site.page
    for open_page in (lambda: page.get(site.home), lambda: open_product(site)):
        open_page()
        if page.execute_script("return getComputedStyle(document.documentElement).colorScheme") != (
            "dark" if dark else "light"
        ):
            press(page, "t")
        page.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.execute_script("return getComputedStyle(document.documentElement).colorScheme") == (
            "dark" if dark else "light"
        )
        assert page.execute_script(CONTRAST) == []
        assert page.execute_script(NAMELESS) == []
    # a narrow window does not scroll sideways
    resize(page, 420, 900)
    try:
        for open_page in (lambda: page.get(site.home), lambda: open_product(site)):
            open_page()
            assert page.execute_script("return document.documentElement.scrollWidth") <= 420
    finally:
        resize(page, 1440, 1000)


def test_folder_opens_from_disk(made, chromium, tmp_path):
    export(Campaign(made), tmp_path / "pages", False)
    chromium.get((tmp_path / "pages" / "index.html").as_uri())
    complaints(chromium)
    press(chromium, "j")
    assert one_of(chromium, "tr.here").text.startswith("FIELD-001")
    click(chromium, "#products tbody a")
    until(lambda: loaded(chromium, ".sky img, .figures img"))
    assert "read only" in one_of(chromium, ".tools").text and not all_of(chromium, "form.decide")
    press(chromium, "j")
    until(lambda: "FIELD-002" in chromium.current_url)
    until(lambda: loaded(chromium, ".sky img"))
    click(chromium, "#steps-title ~ .scroll a")
    until(lambda: "muse_scibasic began" in one_of(chromium, "body").text)
    assert complaints(chromium) == []


def test_first_paint_of_many_products(made, chromium, tmp_path):
    plan = copied(made, tmp_path)
    campaign = Campaign(plan)
    first = campaign.item(KEY)
    for number in range(4, PRODUCTS + 1):
        name = f"FIELD-{number:03d}"
        folder = campaign.folder / "products" / folder_name(name) / "v1"
        folder.mkdir(parents=True)
        record = read_record(ProductRecord, first.folder / PRODUCT)
        write_record(record.model_copy(update={"name": name}), folder / PRODUCT)
        write_record(
            first.quality.model_copy(update={"values": {"ABMAGLIM": 24 + number / PRODUCTS}}), folder / "quality.json"
        )
    paints, sorts = [], []
    with review_server(plan) as address:
        chromium.get(address)
        for _ in range(LOADS):
            chromium.get(address.split("?")[0])
            paints.append(until(lambda: chromium.execute_script(PAINT)))
            sorts.append(chromium.execute_script(SORT))
        assert len(all_of(chromium, "#products tbody tr")) == PRODUCTS
    # how long it takes depends on the machine: see benchmarks/RESULTS.md
    print(f"first paint {paints} ms, sorted in {sorts} ms")
    assert all(one > 0 for one in (*paints, *sorts))
