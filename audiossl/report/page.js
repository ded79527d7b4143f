"use strict";

// A playhead moves over the picture of a clip while it sounds; a click in the picture seeks.
for (const clip of document.querySelectorAll(".clip")) {
  const audio = clip.querySelector("audio");
  const timeline = clip.querySelector(".timeline");
  const playhead = clip.querySelector(".playhead");
  const view = clip.querySelector(".scroll");
  const [left, right, start, end] = ["left", "right", "start", "end"].map((name) => Number(timeline.dataset[name]));

  const place = () => {
    const share = Math.min(1, Math.max(0, (audio.currentTime - start) / (end - start)));
    const position = left + (right - left) * share;
    playhead.style.left = `${100 * position}%`;
    playhead.hidden = false;
    const pixel = position * timeline.clientWidth;
    if (!audio.paused && (pixel < view.scrollLeft || pixel > view.scrollLeft + 0.9 * view.clientWidth)) {
      view.scrollLeft = pixel - 0.1 * view.clientWidth;
    }
  };
  const follow = () => {
    place();
    if (!audio.paused && !audio.ended) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);
  for (const change of ["pause", "seeked", "ended"]) audio.addEventListener(change, place);
  timeline.addEventListener("click", (event) => {
    const box = timeline.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - left) / (right - left);
    if (share < 0 || share > 1) return;
    audio.currentTime = start + (end - start) * share;
  });
}

// One clip sounds at a time.
const players = [...document.querySelectorAll("audio")];
for (const player of players) {
  player.addEventListener("play", () => players.forEach((other) => other !== player && other.pause()));
}

// The contents show where the reader is.
const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.getAttribute("href").slice(1), link]));
const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.getAttribute("aria-labelledby"))?.setAttribute("aria-current", "true");
    }
  },
  { rootMargin: "-20% 0px -70% 0px" },
);
for (const section of document.querySelectorAll("main section")) seen.observe(section);

// What reaches beyond the right edge fades out there, until it is scrolled to its end.
for (const view of document.querySelectorAll(".scroll")) {
  const mark = () => view.classList.toggle("more", view.scrollWidth - view.clientWidth - view.scrollLeft > 8);
  view.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(view);
  for (const child of view.children) new ResizeObserver(mark).observe(child);
}
