"""The page in a real browser: no complaint on the console, all pictures and sounds there, the playhead moves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape

import pytest
from example_page import example_content

from audiossl.report import Picture, ReportContent, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync --virtual-time-budget=5000 --enable-logging=stderr --v=0 --dump-dom"

no_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
pytestmark = [pytest.mark.slow, no_browser]

# Put into a copy of the page: it looks at the page from inside and leaves what it saw on <body>, where --dump-dom shows it.
COLLECT = """<script>
window.faults = [];
addEventListener("error", (event) => faults.push(String(event.message || event.target.tagName)), true);
addEventListener("securitypolicyviolation", (event) => faults.push("refused " + event.blockedURI));
</script>"""
REPORT = """<script>
addEventListener("load", async () => {
  const images = [...document.images], audios = [...document.querySelectorAll("audio")];
  await Promise.all(audios.map((audio) => audio.readyState > 0 || new Promise((ready) => {
    audio.addEventListener("loadedmetadata", ready);
    audio.addEventListener("error", ready);
    setTimeout(ready, 3000);
  })));
  // Sound has a clock of its own, which the browser's virtual time does not drive: the clock is played by hand.
  const heads = [], sought = [];
  for (const clip of document.querySelectorAll(".clip")) {
    const audio = clip.querySelector("audio"), timeline = clip.querySelector(".timeline");
    let now = 0;
    Object.defineProperty(audio, "currentTime", { get: () => now, set: (value) => sought.push(value) });
    for (now of [0.8, 2.4]) {
      audio.dispatchEvent(new Event("seeked"));
      heads.push(parseFloat(clip.querySelector(".playhead").style.left));
    }
    const box = timeline.getBoundingClientRect();
    for (const left of heads.slice(-2)) {
      timeline.dispatchEvent(new MouseEvent("click", { clientX: box.left + (box.width * left) / 100, bubbles: true }));
    }
  }
  const saw = {
    faults: window.faults, heads, sought, images: images.length,
    broken: images.filter((image) => !image.complete || image.naturalWidth === 0).length,
    durations: audios.map((audio) => audio.error ? -1 : audio.duration),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
  document.body.setAttribute("data-saw", JSON.stringify(saw));
});
</script>"""


def look_at(page: str, tmp_path, *flags: str) -> tuple[dict, list[str]]:
    """What the page saw of itself, and the messages on the browser's console."""
    path = tmp_path / "looked at.html"
    path.write_text(page.replace("<head>", "<head>" + COLLECT, 1).replace("</body>", REPORT + "</body>", 1), encoding="utf-8")
    command = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", *flags, path.as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    saw = re.search(r'data-saw="([^"]*)"', run.stdout)
    assert saw, f"the page did not finish in the browser:\n{run.stderr[-2000:]}"
    return json.loads(unescape(saw.group(1))), [line for line in run.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def example_page(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(example_content(), path)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("flags", [("--window-size=1280,2400",), ("--window-size=500,2000", "--force-dark-mode")])
def test_the_page_shows_all_it_holds(example_page, tmp_path, flags):
    saw, console = look_at(example_page, tmp_path, *flags)
    assert console == []
    assert saw["faults"] == []
    assert (saw["images"], saw["broken"]) == (8, 0)
    assert saw["durations"] == pytest.approx([3.2, 0.5], abs=0.01)
    assert saw["overflow"] <= 0  # nothing makes the page itself scroll sideways


def test_the_playhead_follows_the_sound_and_a_click_seeks(example_page, tmp_path):
    saw, _ = look_at(example_page, tmp_path, "--window-size=1280,2400")
    place = {name: float(value) for name, value in re.findall(r'data-(left|right)="([\d.]+)"', example_page)}
    expected = [100 * (place["left"] + share * (place["right"] - place["left"])) for share in (0.25, 0.75)]
    assert saw["heads"] == pytest.approx(expected, abs=0.01)
    assert saw["sought"] == pytest.approx([0.8, 2.4], abs=0.01)


def test_the_check_notices_faults(tmp_path):
    path = tmp_path / "report.html"
    broken = Picture("broken", b"\x89PNG\r\n\x1a\n" + bytes(20), alt="not a whole PNG")
    write_report(ReportContent("r", "", [broken]), path)
    page = path.read_text(encoding="utf-8")
    page = page.replace("</main>", '<img alt="" src="http://localhost:9/x.png"></main><script>undefined.x</script>')
    saw, console = look_at(page, tmp_path)
    assert (saw["images"], saw["broken"]) == (2, 2)
    assert any("refused" in fault for fault in saw["faults"])
    assert any("undefined" in line for line in console)
