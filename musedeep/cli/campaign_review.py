"""`musedeep campaign review`: pages of a campaign's products, served on this machine or written into a folder."""

import getpass
from pathlib import Path

from musedeep.cli.catalogue import need
from musedeep.cli.errors import UsageProblem


def review_command(plan: Path, port: int, by: str, export_to: Path | None, overwrite: bool) -> None:
    """Serve the pages until the command is interrupted, or write them into a folder."""
    need("flask", "jinja2", "PIL")
    from musedeep.campaign.review.campaign import Campaign

    if overwrite and export_to is None:
        raise UsageProblem("--overwrite belongs to --export")
    campaign = Campaign(plan)
    if export_to is not None:
        from musedeep.campaign.review.export import export

        number = export(campaign, export_to, overwrite)
        print(f"{export_to}/index.html: {number} product{'' if number == 1 else 's'}")
        return
    from musedeep.campaign.review.pictures import Pictures, warm
    from musedeep.campaign.review.server import HOST, bind, make_app, new_token

    token, pictures = new_token(), Pictures(campaign)
    try:
        server = bind(port, lambda number: make_app(campaign, pictures, token, number, by or _login()))
        warm()
        print(f"{campaign.name}: {len(campaign.newest())} products")
        print(f"http://{HOST}:{server.port}/?token={token}", flush=True)
        print("Open this address; without its token the pages are read only. Ctrl-C ends.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
    finally:
        pictures.close()


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user: the page asks for a name
        return ""
