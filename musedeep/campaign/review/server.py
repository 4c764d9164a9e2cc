"""The pages on this machine only: who may look, and who may decide.

1. The server listens on 127.0.0.1. A request for another host is refused, so that no name of elsewhere which points to
   this machine (DNS rebinding) reads anything.
2. The address that the command prints has a token. It becomes a cookie, which scripts and other sites do not get, and
   leaves the address. Without it everything may be looked at, and nothing decided.
3. A decision needs the cookie, a word of the form that follows from the token, and the origin of these pages.
4. Nothing but files of the records is sent: addresses have numbers, not paths. Pages may load nothing from elsewhere,
   and run no script but their own file.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from flask import Flask, Request, Response, abort, make_response, redirect, request, send_file
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, make_server

from musedeep.campaign.review.campaign import Campaign, Item
from musedeep.campaign.review.decisions import Conflict, Wish, decide
from musedeep.campaign.review.pages import ASSETS, Pages, Visitor
from musedeep.campaign.review.pictures import Pictures
from musedeep.errors import MusedeepError

HOST: Final = "127.0.0.1"
NAMES: Final = (HOST, "localhost")
LARGEST_FORM: Final = 64 * 1024
LOG_END: Final = 1_000_000
"""Bytes of the end of a log that are shown."""
FIELDS: Final = ("action", "by", "text", "exposure", "method", "review_seen", "plan_seen")
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


def new_token() -> str:
    """A word that nobody guesses."""
    return secrets.token_urlsafe(32)


class Guard:
    """Tells who may look, and who may decide."""

    def __init__(self, token: str, port: int) -> None:
        self._token = token
        self.cookie = f"musedeep-review-{port}"
        self.hosts = {f"{name}:{port}" for name in NAMES}
        self.form = hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()

    def known(self, word: str) -> bool:
        """Whether a word is the token; takes as long whatever it is."""
        return hmac.compare_digest(word.encode(), self._token.encode())

    def may_look(self, asked: Request) -> bool:
        """Whether a request is for this host, and from no other site."""
        return asked.host in self.hosts and asked.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")

    def comes_in(self, asked: Request) -> bool:
        """Whether a request may come from a link elsewhere, as from a terminal or a mail: to read a page."""
        return asked.method in ("GET", "HEAD") and asked.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"

    def may_decide(self, asked: Request) -> bool:
        """Whether a request has the cookie."""
        return self.known(asked.cookies.get(self.cookie, ""))

    def own_form(self, asked: Request) -> bool:
        """Whether a form was sent from one of these pages."""
        origin = asked.headers.get("Origin", "")
        right = origin == f"http://{asked.host}" and asked.host in self.hosts
        return right and hmac.compare_digest(asked.form.get("form", "").encode(), self.form.encode())


def make_app(campaign: Campaign, pictures: Pictures, token: str, port: int, by: str = "") -> Flask:
    """The application; `by` is the name that is filled in."""
    app = Flask("musedeep.review", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_FORM
    guard, pages = Guard(token, port), Pages(campaign, pictures)

    def visitor(message: str = "", typed: dict[str, str] | None = None) -> Visitor:
        writable = guard.may_decide(request)
        return Visitor(writable, by if writable else "", guard.form if writable else "", message, typed or {})

    def item_of(product: str, version: str) -> Item:
        return campaign.item(f"{product}/{version}") or abort(404)

    @app.before_request
    def look() -> Response | None:
        if request.host not in guard.hosts:
            return _plain(f"this is {HOST}; open the address that the command has printed", 421)
        if not guard.may_look(request) and not guard.comes_in(request):
            return _plain("not from other sites", 403)
        given = request.args.get("token")
        if given is None or request.method != "GET":
            return None
        if not guard.known(given):
            return _plain("this is not the token; open the address that the command has printed", 403)
        answer = make_response(redirect(request.path, 303))
        answer.set_cookie(guard.cookie, token, httponly=True, samesite="Strict", path="/")
        return answer

    @app.after_request
    def protect(answer: Response) -> Response:
        answer.headers.update(HEADERS)
        return answer

    @app.errorhandler(HTTPException)
    def wrong(error: HTTPException) -> Response:
        return _plain(f"{error.code} {error.name}", error.code or 500)

    @app.errorhandler(MusedeepError)
    def trouble(error: MusedeepError) -> Response:
        return _plain(str(error), 500)

    @app.get("/")
    @app.get("/index.html")
    def index() -> str:
        return pages.index(visitor())

    @app.get("/assets/<name>")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            abort(404)
        return send_file(asset_path(name), conditional=True)

    @app.get("/products/<product>/<version>/")
    @app.get("/products/<product>/<version>/index.html")
    def product_page(product: str, version: str) -> str:
        return pages.product(item_of(product, version), visitor())

    @app.get("/products/<product>/<version>/pictures/<name>.png")
    def picture(product: str, version: str, name: str) -> Response:
        path = picture_of(pages, item_of(product, version), name)
        return send_file(path, mimetype="image/png", conditional=True) if path else abort(404)

    @app.get("/products/<product>/<version>/logs/<int:number>.txt")
    def log(product: str, version: str, number: int) -> Response:
        path = pages.log(item_of(product, version), number) or abort(404)
        return _plain(log_text(path))

    @app.post("/products/<product>/<version>/decide")
    def decision(product: str, version: str) -> Any:
        if not (guard.may_decide(request) and guard.own_form(request)):
            return _plain("read only: open the address that the command has printed", 403)
        item = item_of(product, version)
        typed = {name: request.form.get(name, "") for name in FIELDS}
        try:
            decide(campaign, item, Wish(**typed))
        except MusedeepError as error:
            now = item_of(product, version)
            return pages.product(now, visitor(str(error), typed)), 409 if isinstance(error, Conflict) else 400
        return redirect(f"/products/{item.key}/index.html", 303)

    return app


def asset_path(name: str) -> Path:
    """A file of the pages."""
    return Path(str(files("musedeep.campaign.review") / "assets" / name))


def picture_of(pages: Pages, item: Item, name: str) -> Path | None:
    """A picture of a product by its name, as field, depth, figure-0, single-0, residual-0; None if there is none."""
    if name in ("field", "depth"):
        found = pages.pictures.field(item) if name == "field" else pages.pictures.depth(item)
        return found[0] if found else None
    kind, _, word = name.partition("-")
    if not (word.isascii() and word.isdigit() and len(word) < 6):
        return None
    number = int(word)
    if kind == "figure":
        return pages.figure(item, number)
    if kind == "single":
        return pages.pictures.exposure(item, "single", number)
    return pages.pictures.exposure(item, "residual", number) if kind == "residual" else None


def log_text(path: Path) -> str:
    """A log, or its end if it is long."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - LOG_END))
        text = stream.read().decode(errors="replace")
    return text if size <= LOG_END else f"[the last {LOG_END} of {size} bytes]\n" + text


def _plain(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, mimetype="text/plain")


def bind(port: int, app_of: Callable[[int], Flask]) -> BaseWSGIServer:
    """A server on this machine; `app_of` makes its application for the port, which 0 leaves to the system.

    Raises MusedeepError if the port is taken, or may not be used.
    """
    import socket

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise MusedeepError(f"port {port} of {HOST}: {error.strerror}; give another --port, or 0 for any") from error
    listening.listen(128)
    number = int(listening.getsockname()[1])
    # one line for each request is nothing for the reviewer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(HOST, number, app_of(number), threaded=True, fd=listening.fileno())
    listening.detach()
    return server
