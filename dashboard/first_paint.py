"""Add to Streamlit's HTML page, before its script runs, the style sheet, the server's address, and
the language of the browser.

So what is drawn first stands where it stays (`components.style.apply` comes with the first run
only), and Streamlit's script does not look for its server below the page's own address."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import _compat, hosting, i18n, theme

_ABOUT_THE_FILE = ("etag", "last-modified")


class FirstPaint:
    """Middleware: puts styles and script at the end of the page. The styles that Streamlit's script
    puts into the head would win over ours otherwise; the script itself waits for the whole page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        script = _compat.backend_script(f"{hosting.base_path()}/")
        self.ours = f"<style>{theme.first_paint()}</style><script>{script}</script>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _wants_a_page(scope):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def with_style(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    start = message
                    return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = body.replace(_compat.PAGE_END, self.ours + _compat.PAGE_END, 1)
            with i18n.use_locale(Headers(scope=scope).get("accept-language", "")):
                body = body.replace(_compat.PAGE_START, i18n.html_tag().encode(), 1)
            headers = MutableHeaders(scope=start)
            headers["content-length"] = str(len(body))
            for name in _ABOUT_THE_FILE:  # of a file that is not what is sent
                if name in headers:
                    del headers[name]
            await send(start)
            await send({"type": "http.response.body", "body": body})

        # Whole and as it is: ours can't be put into what is compressed or cut.
        plain = hosting.unconditional(scope, b"accept-encoding", b"range")
        await self.app(plain, receive, with_style)


def _wants_a_page(scope: Scope) -> bool:
    """Whether a browser goes to a page; scripts, fonts and pictures are asked for otherwise."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
