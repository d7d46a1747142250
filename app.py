"""The dashboard: `streamlit run app.py`.

Streamlit uses this file twice. It imports it once, as the server, to find `app`; and it runs it for
each person and interaction, to draw the page.
"""

import streamlit as st

from dashboard import server, session, shell
from detector.sentences import _
from service import auth


def main() -> None:
    """Draw the page that the address names."""
    shell.prepare()
    pages = [
        st.Page(
            "pages/analyze.py", title=_("Analyze"), icon=":material/frame_inspect:", default=True
        ),
        st.Page("pages/live.py", title=_("Live"), icon=":material/videocam:"),
        st.Page("pages/compare.py", title=_("Compare"), icon=":material/compare:"),
        st.Page("pages/evaluate.py", title=_("Evaluate"), icon=":material/query_stats:"),
        st.Page("pages/batch.py", title=_("Batch"), icon=":material/stacks:"),
        st.Page("pages/history.py", title=_("History"), icon=":material/history:"),
        st.Page("pages/cases.py", title=_("Cases"), icon=":material/folder_open:"),
        st.Page("pages/models.py", title=_("Models"), icon=":material/neurology:"),
        st.Page("pages/settings.py", title=_("Settings"), icon=":material/settings:"),
        st.Page("pages/look.py", title=_("Look twice"), visibility="hidden"),
    ]
    if session.current_user().may_administer:
        pages.append(
            st.Page("pages/admin.py", title=_("Operator"), icon=":material/monitor_heart:")
        )
    if auth.accounts():
        pages.append(
            st.Page(
                "pages/account.py", title=shell.account_title(), icon=":material/account_circle:"
            )
        )
    shell.draw(st.navigation(pages, position="hidden" if shell.must_sign_in() else "top"))


if __name__ == "__main__":
    main()
else:
    app = st.App(
        __file__,
        lifespan=server.lifespan,
        routes=server.routes(),
        middleware=server.middleware(),
        on_script_error=shell.show_failure,
    )
