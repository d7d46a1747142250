"""The dashboard: `streamlit run app.py`.

Streamlit uses this file twice. It imports it once, as the server, to find `app`; and it runs it for
each person and interaction, to draw the page.
"""

import streamlit as st

import pages
from dashboard import server, shell

if __name__ == "__main__":
    shell.draw(pages.PAGES)
else:
    app = st.App(
        __file__,
        lifespan=server.lifespan,
        routes=server.routes(),
        middleware=server.middleware(pages.PAGES),
        on_script_error=shell.show_failure,
    )
