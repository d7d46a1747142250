"""A model that a person trains on a folder of their own, then chooses on the page."""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import expect

from tests.support.browser import open_details, serve, until, upload, wait_ready, wait_verdict
from tests.support.clips import face_clip
from tests.support.visits import visitors


def test_a_recipe_is_trained_and_then_used(browser, tmp_path):
    clip, folder, data = face_clip(1, 320, 240, 10), tmp_path / "set", tmp_path / "data"
    for label in ("real", "fake"):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            shutil.copy(clip, folder / label / f"{number}.mp4")
    data.mkdir()
    command = [sys.executable, "-m", "cli", "train", "own", "--data", folder, "--out"]
    environment = os.environ | {"UNMASK_DATA": str(data)}
    subprocess.run([*command, tmp_path / "mine"], env=environment, check=True)

    with serve(data) as server, visitors(browser, server.url) as visit:
        page = visit().page
        wait_ready(page)
        mine = page.locator(".st-key-options").get_by_role("button", name="mine")
        until(page.locator(".st-key-options summary").click, mine.wait_for)
        until(mine.click, lambda: expect(mine).to_have_attribute("aria-pressed", "true"))
        upload(page, clip)
        wait_verdict(page)
        open_details(page)
        page.get_by_role("tab", name="Models").click()
        expect(page.get_by_role("tabpanel", name="Models")).to_contain_text("mine")
