"""Opens a page in headless Chromium, where there is one, and says what became of it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PROBE = """
<script>addEventListener("load", () => {
  const images = [...document.images].map(each => ({alt: each.alt, width: each.naturalWidth}));
  const found = {images, wide: document.documentElement.scrollWidth, window: innerWidth};
  const place = document.createElement("pre");
  place.id = "probe";
  place.textContent = JSON.stringify(found);
  document.body.append(place);
});</script></body>"""


def find():
    """Returns the path of a Chromium or Chrome, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


# not by nature: `.ci/run` installs one, and REQUIRE_ALL=1 fails what is skipped for want of it
needed = pytest.mark.skipif(find() is None, reason=f"none of {', '.join(NAMES)} is installed")


def open_page(path, folder, width=1200):
    """Returns {"console": lines, "images": [{"alt", "width"}], "wide", "window"} of the HTML file `path`.

    The console is that of the page as it is; the rest is asked by a script within a copy that allows one.
    """
    copy = Path(folder) / "probed.html"
    page = Path(path).read_text(encoding="utf-8")
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    copy.write_text(page.replace("</body>", _PROBE), encoding="utf-8")
    _, errors = _run(path, folder, width)
    found = probed(copy, folder, width)
    return {"console": [line for line in errors.splitlines() if "CONSOLE" in line], **found}


def probed(path, folder, width=1200):
    """Returns what a script of the HTML file `path` wrote as JSON into the element "probe"."""
    dom, _ = _run(path, folder, width)
    return json.loads(re.search(r'<pre id="probe">(.*?)</pre>', dom, re.DOTALL).group(1).replace("&amp;", "&"))


def _run(path, folder, width):
    command = [
        find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
        "--enable-logging=stderr", "--v=0", f"--user-data-dir={Path(folder) / 'profile'}",
        f"--window-size={width},900", "--dump-dom", Path(path).absolute().as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "</html>" in done.stdout, done.stderr
    return done.stdout, done.stderr
