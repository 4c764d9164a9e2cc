"""The server: who may look, who may decide, and what is never sent."""

import re
import socket

import pytest

from musedeep.campaign.review.campaign import Campaign
from musedeep.campaign.review.pictures import Pictures
from musedeep.campaign.review.server import bind, make_app, new_token
from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, ProductRecord, read_record, write_record

PORT, TOKEN = 8321, "t" * 40
HOME = f"http://127.0.0.1:{PORT}"
PAGE = "/products/FIELD-001/v1/index.html"
DECIDE = "/products/FIELD-001/v1/decide"


@pytest.fixture
def campaign(plan):
    return Campaign(plan)


@pytest.fixture
def app(campaign):
    return make_app(campaign, Pictures(campaign), TOKEN, PORT, "A. Reviewer")


@pytest.fixture
def guest(app):
    """A client without the token."""
    return Client(app)


@pytest.fixture
def reviewer(app):
    """A client that has opened the address with the token."""
    client = Client(app)
    answer = client.get(f"/?token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["Location"] == "/"
    return client


class Client:
    """Flask's test client, on the address of the server."""

    def __init__(self, app):
        self.http = app.test_client()

    def get(self, path, headers=None, base=HOME):
        return self.http.get(path, base_url=base, headers=headers)

    def form(self):
        """The hidden fields of the form, as the page has them."""
        text = self.get(PAGE).text
        return dict(re.findall(r'type="hidden" name="(\w+)" value="(\w*)"', text))

    def decide(self, fields, headers=None, base=HOME, path=DECIDE):
        origin = {"Origin": base} if headers is None else headers
        return self.http.post(path, base_url=base, headers=origin, data=fields)


def history(campaign):
    return [one.action for one in campaign.item("FIELD-001/v1").review.history]


def test_all_may_look_and_nobody_decide_without_the_token(guest, campaign):
    assert guest.get("/").status_code == 200 and "read only" in guest.get("/").text
    page = guest.get(PAGE).text
    assert "read only" in page and "<form class" not in page and "plan_seen" not in page and "A. Reviewer" not in page
    answer = guest.decide({"action": "accept", "by": "x"})
    assert answer.status_code == 403 and not history(campaign)
    guest.http.set_cookie(f"musedeep-review-{PORT}", "wrong", domain="127.0.0.1")
    assert guest.decide({"action": "accept", "by": "x"}).status_code == 403


def test_wrong_token(guest):
    for token in ("wrong", "", TOKEN[:-1], TOKEN + "t", "ü"):
        answer = guest.get(f"/?token={token}")
        assert answer.status_code == 403 and "Set-Cookie" not in answer.headers
    assert "read only" in guest.get("/").text


def test_token_becomes_a_cookie(guest):
    answer = guest.get(f"{PAGE}?token={TOKEN}")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and answer.headers["Location"] == PAGE
    assert "read only" not in guest.get("/").text and TOKEN not in guest.get(PAGE).text
    assert len({new_token() for _ in range(100)}) == 100 and len(new_token()) >= 40


@pytest.mark.parametrize(
    "base", ["http://evil.example:8321", "http://127.0.0.1:9999", "http://127.0.0.1", "http://[::1]:8321"]
)
def test_other_hosts(reviewer, campaign, base):
    """As after DNS rebinding."""
    assert reviewer.get("/", base=base).status_code == 421
    assert "FIELD" not in reviewer.get(PAGE, base=base).text
    assert reviewer.decide(reviewer.form() | {"action": "accept", "by": "x"}, base=base).status_code == 421
    assert not history(campaign)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": f"https://127.0.0.1:{PORT}"},
        {"Origin": f"http://localhost:{PORT}"},
        {},
        {"Origin": HOME, "Sec-Fetch-Site": "cross-site"},
        {"Origin": HOME, "Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_origins_decide_nothing(reviewer, campaign, headers):
    answer = reviewer.decide(reviewer.form() | {"action": "accept", "by": "x"}, headers=headers)
    assert answer.status_code == 403 and not history(campaign)


def test_the_word_of_the_form_is_needed(reviewer, campaign):
    fields = reviewer.form() | {"action": "accept", "by": "x"}
    for word in ("", "0" * 64, "ü"):
        assert reviewer.decide(fields | {"form": word}).status_code == 403
    assert not history(campaign)
    assert reviewer.decide(fields).status_code == 303 and history(campaign) == ["accept"]


def test_other_sites_may_link_but_not_embed(reviewer):
    site = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert reviewer.get("/", headers=site).status_code == 200
    for mode in ("no-cors", "cors", "same-origin"):
        assert reviewer.get("/", headers=site | {"Sec-Fetch-Mode": mode}).status_code == 403


def test_headers(reviewer):
    for path in ("/", PAGE, "/assets/review.js", "/products/FIELD-001/v1/pictures/field.png", "/nothing"):
        headers = reviewer.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


def test_nothing_from_elsewhere_and_nothing_inline(reviewer):
    for path in ("/", PAGE):
        text = reviewer.get(path).text
        assert not re.search(r"(src|href)=\"(https?:)?//", text)
        assert " style=" not in text and "<style" not in text and not re.search(r"\son\w+=", text)
        assert re.findall(r"<script[^>]*>", text) == [
            f'<script src="{"../../../" if path == PAGE else ""}assets/review.js" defer>'
        ]
    # what records say is text
    assert "&lt;b&gt;dipoles&lt;/b&gt;" in reviewer.get(PAGE).text


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../server.py", "/assets/..%2fserver.py", "/assets/%2e%2e/server.py", "/assets/server.py",
        "/products/../../deep.yaml", "/products/..%2f..%2fdeep.yaml", "/products/FIELD-001/v1/product.json",
        "/products/FIELD-001/v1/pictures/..%2f..%2fproduct.json", "/products/FIELD-001/v1/pictures/figure-1.png",
        "/products/FIELD-001/v1/pictures/figure-2.png", "/products/FIELD-001/v1/pictures/figure--1.png",
        "/products/FIELD-001/v1/pictures/figure-99999.png", "/products/FIELD-001/v1/pictures/single-7.png",
        "/products/FIELD-001/v1/pictures/single-%C2%B2.png", "/products/FIELD-001/v1/logs/99.txt",
        "/products/FIELD-001/v1/logs/-1.txt", "/products/FIELD-001/v9/index.html", "/products/..%00/v1/index.html",
    ],
)  # fmt: skip
def test_no_other_files(reviewer, path):
    answer = reviewer.get(path)
    assert answer.status_code == 404 and "targets:" not in answer.text


def test_files_of_records_that_lie_elsewhere(reviewer, campaign, tmp_path):
    """A record that names a file outside, and a link that leads there."""
    folder = campaign.folder / "products/FIELD-001/v1"
    (tmp_path / "secret.log").write_text("secret")
    (folder / "logs" / "link.log").symlink_to(tmp_path / "secret.log")
    record = read_record(ProductRecord, folder / PRODUCT)
    for k, path in enumerate(("../secret.log", str(tmp_path / "secret.log"), "products/FIELD-001/v1/logs/link.log")):
        record.steps[k].log = path
    record.exposures[0].image, record.images[0] = "/etc/passwd", "../../etc/passwd"
    write_record(record, folder / PRODUCT)
    for k in range(3):
        assert reviewer.get(f"/products/FIELD-001/v1/logs/{k}.txt").status_code == 404
    assert reviewer.get("/products/FIELD-001/v1/pictures/field.png").status_code == 404
    assert reviewer.get(PAGE).status_code == 200


def test_pictures_and_logs(reviewer):
    for name in ("field", "depth", "figure-0", "single-0", "single-2", "residual-2"):
        answer = reviewer.get(f"/products/FIELD-001/v1/pictures/{name}.png")
        assert answer.status_code == 200 and answer.data.startswith(b"\x89PNG"), name
        again = reviewer.get(f"/products/FIELD-001/v1/pictures/{name}.png", {"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
    log = reviewer.get("/products/FIELD-001/v1/logs/0.txt")
    assert "muse_scibasic began" in log.text and log.mimetype == "text/plain"


def test_each_action(reviewer, campaign):
    name = campaign.item("FIELD-001/v1").product.exposures[1].name
    steps = [
        ("comment", {"text": "nice"}), ("accept", {}), ("certify", {}), ("reject", {"text": "waves"}), ("reopen", {}),
        ("exclude", {"exposure": name, "text": "doubled"}), ("include", {"exposure": name}),
        ("method", {"method": "crowded"}),
    ]  # fmt: skip
    for action, words in steps:
        answer = reviewer.decide(reviewer.form() | {"action": action, "by": "A. Reviewer"} | words)
        assert (answer.status_code, answer.headers.get("Location")) == (303, PAGE), answer.text
        text = reviewer.get(PAGE).text
        assert f'<li class="{action}">' in text
        assert ("To be made again" in text) == (action in ("exclude", "method"))
    assert history(campaign) == [action for action, _ in steps]
    assert "Take back" in text and "musedeep campaign run deep.yaml --target FIELD-001" in text


def test_refusals_keep_what_was_typed(reviewer, campaign):
    answer = reviewer.decide(reviewer.form() | {"action": "reject", "by": "Ö <b>", "text": " "})
    assert answer.status_code == 400 and "say why you reject it" in answer.text and 'value="Ö &lt;b&gt;"' in answer.text
    old = reviewer.form()
    assert reviewer.decide(old | {"action": "accept", "by": "x"}).status_code == 303
    answer = reviewer.decide(old | {"action": "comment", "by": "x", "text": "my long thought"})
    assert (
        answer.status_code == 409
        and "nothing was written" in answer.text
        and ">my long thought</textarea>" in answer.text
    )
    assert history(campaign) == ["accept"]
    # the page that says so can be sent
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w*)"', answer.text))
    assert reviewer.decide(fields | {"action": "comment", "by": "x", "text": "my long thought"}).status_code == 303
    assert reviewer.decide({"action": "x" * 100_000}).status_code in (403, 413)


def test_port_that_is_taken(app):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(MusedeepError, match="Address already in use; give another --port") as error:
            bind(other.getsockname()[1], lambda port: app)
        assert "\n" not in str(error.value)
    server = bind(0, lambda port: app)
    assert server.port > 0 and server.server_address[0] == "127.0.0.1"
    server.server_close()
