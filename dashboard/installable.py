"""The dashboard as an installed app: manifest, icons, service worker, and what other apps share.

GET  /app.webmanifest     name, icons, share target
GET  /service-worker.js   makes the page installable; caches nothing
GET  /app-icon/<size>.png
POST /share               a file or a link from another app, or a link that was pasted
"""

import json
import re
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard import i18n, labels, session
from dashboard.hosting import base_path
from dashboard.theme import plain
from dashboard.url_state import FETCHED
from detector.errors import InputError, UnmaskError
from detector.schema.analysis import Settings
from detector.sentences import _, say, use
from service.api import uploads
from service.api.uploads import Form
from service.context import RequestContext

ASSETS = Path(__file__).parent / "assets"
STATIC = Path(__file__).parent / "static"
SIZES = (192, 512)
ACCENT = "#00639C"
KINDS = ("image/*", "video/*", "audio/*")
_ADDRESS = re.compile(r"https?://[^\s<>\"']+")


def routes() -> list[Route]:
    """Return the routes of the installed app."""
    base = base_path()
    return [
        Route(f"{base}/app.webmanifest", _manifest, methods=["GET"]),
        Route(f"{base}/service-worker.js", _worker, methods=["GET"]),
        Route(f"{base}/app-icon/{{size:int}}.png", _icon, methods=["GET"]),
        Route(f"{base}/share", _share, methods=["POST"]),
    ]


def head() -> str:
    """Return HTML for the head of every page: links to manifest and icon, and the script that takes
    pasted and dropped files."""
    base = base_path()
    script = (STATIC / "intake.js").read_text("utf-8").replace("BASE", json.dumps(base))
    return (
        f'<link rel="manifest" href="{base}/app.webmanifest" crossorigin="use-credentials">'
        f'<link rel="apple-touch-icon" href="{base}/app-icon/192.png">'
        f'<meta name="theme-color" content="{ACCENT}"><script type="module">{script}</script>'
    )


async def _manifest(request: Request) -> Response:
    base = base_path()
    with use(i18n.of_request(request.headers.get("accept-language", ""))):
        about = _("Check a picture, a video or a voice")
    params = {"title": "title", "text": "text", "url": "url"}
    files = [{"name": "file", "accept": KINDS}]
    content = {
        "id": f"{base}/",
        "name": "Unmask",
        "short_name": "Unmask",
        "description": about,
        "start_url": f"{base}/",
        "scope": f"{base}/",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": ACCENT,
        "icons": [
            {"src": f"{base}/app-icon/{size}.png", "sizes": f"{size}x{size}", "type": "image/png"}
            for size in SIZES
        ],
        "share_target": {
            "action": f"{base}/share",
            "method": "POST",
            "enctype": "multipart/form-data",
            "params": params | {"files": files},
        },
    }
    return JSONResponse(content, media_type="application/manifest+json")


async def _worker(request: Request) -> Response:
    return FileResponse(STATIC / "service_worker.js", media_type="text/javascript")


async def _icon(request: Request) -> Response:
    size = request.path_params["size"]
    if size not in SIZES:
        return Response(status_code=404)
    return FileResponse(ASSETS / f"icon-{size}.png", headers={"Cache-Control": "max-age=86400"})


async def _share(request: Request) -> Response:
    """Analyze what another app shared, or a link that was pasted, and open its page.

    Only the browser itself (`Sec-Fetch-Site: none`) and our own pages may send one: a form of
    another site would start an analysis without a click here."""
    with use(i18n.of_request(request.headers.get("accept-language", ""))):
        if request.headers.get("sec-fetch-site") not in ("none", "same-origin"):
            return _refused(_("Another page can't open this one."), "", 403)
        context = session.context_of(request)
        if context is None:
            text = _("This browser has not opened Unmask before.")
            return _refused(text, _("Open it once, and share again."), 403)
        try:
            async with uploads.receive(request, context, least=0) as form:
                page = await run_in_threadpool(_begun, context, form)
        except UnmaskError as error:
            return _refused(say(error.message), say(error.hint), 422)
    return RedirectResponse(f"{base_path()}/?{page}", 303)


def _begun(context: RequestContext, form: Form) -> str:
    """Start the analysis of a shared file or link; return the query of its page. Raise
    UnmaskError."""
    application = session.application()
    for source in form.files:
        if not isinstance(source, str):
            job = application.submit(
                context, source.source, source.name, Settings(), size=source.size
            )
            return f"a={job.key}"
    # Apps put a link into any of these fields.
    texts = (*(s for s in form.files if isinstance(s, str)), *form.fields.values())
    address = next((found[0] for text in texts if (found := _ADDRESS.search(text))), None)
    if address is None:
        raise InputError(
            _("There was no file and no link in what was shared."), code="nothing_shared"
        )
    return f"{FETCHED}={application.start_link(context, address, Settings()).id}"


def _refused(text: str, hint: str, status: int) -> Response:
    body = (
        f"<h1>{labels.escape(text)}</h1><p>{labels.escape(hint)}</p>"
        f'<p><a href="{base_path()}/">{_("Open Unmask")}</a></p>'
    )
    return HTMLResponse(plain.page(_("Share"), body), status_code=status)
