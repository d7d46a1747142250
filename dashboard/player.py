"""The file itself on the page: a video player or a picture, in the container `player`."""

from __future__ import annotations

import streamlit as st

from dashboard import server
from dashboard.jobs import Job
from detector.results import Media


def draw(job: Job, media: Media, alt: str) -> None:
    """Draw the media of a job.

    Parameters
    ----------
    alt : str
        What a person who can't see it should know.
    """
    source = server.file_url(job) or job.path
    with st.container(key="player"):
        if media.kind == "video":
            st.video(source, alt=alt)
        else:
            st.image(source, alt=alt, width="stretch")
