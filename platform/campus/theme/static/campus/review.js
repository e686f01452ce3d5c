// Original and dub on one clock: the dub leads, the original follows.

const FAR = 0.3; // seconds apart at which the original jumps instead of hurrying
const NEAR = 0.04; // seconds apart that nobody hears
const STEP = 5; // what an arrow key moves by

const root = document.querySelector("[data-review]");
const dub = root.querySelector("[data-dub]");
const original = root.querySelector("[data-original]");
const play = root.querySelector("[data-play]");
const seek = root.querySelector("[data-seek]");
const clock = root.querySelector("[data-clock]");
const listen = root.querySelectorAll("[name=listen]");
let broken = false;

function words(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function lines() {
  return [...root.querySelectorAll("[data-start]")];
}

function jump(seconds) {
  const end = Number.isFinite(dub.duration) ? dub.duration : seconds;
  const to = Math.min(Math.max(0, seconds), end);
  dub.currentTime = to;
  if (!broken) original.currentTime = Math.min(to, original.duration || to);
  show();
}

function toggle() {
  if (dub.paused) dub.play();
  else dub.pause();
}

function correct() {
  if (broken || original.seeking || dub.seeking) return;
  // The original may end earlier: then it rests on its last picture.
  if (Number.isFinite(original.duration) && dub.currentTime > original.duration) {
    original.pause();
    return;
  }
  const apart = dub.currentTime - original.currentTime;
  if (Math.abs(apart) > FAR) {
    original.currentTime = dub.currentTime;
    original.playbackRate = 1;
  } else if (Math.abs(apart) > NEAR) {
    original.playbackRate = 1 + Math.max(-0.1, Math.min(0.1, apart));
  } else {
    original.playbackRate = 1;
  }
  if (!dub.paused && original.paused) original.play().catch(() => {});
}

function show() {
  clock.textContent = `${words(dub.currentTime)} / ${words(dub.duration)}`;
  if (Number.isFinite(dub.duration)) seek.max = dub.duration;
  seek.value = dub.currentTime;
  seek.setAttribute("aria-valuetext", words(dub.currentTime));
  play.textContent = dub.paused ? "Play" : "Pause";
  for (const line of lines()) {
    const now = Number(line.dataset.start) <= dub.currentTime && dub.currentTime < Number(line.dataset.end);
    line.classList.toggle("line-now", now);
  }
}

function nextFlagged() {
  const flagged = lines().filter((line) => line.matches("[data-flagged]"));
  const next = flagged.find((line) => Number(line.dataset.start) > dub.currentTime + 0.05) || flagged[0];
  if (!next) return;
  jump(Number(next.dataset.start));
  next.scrollIntoView({ block: "center", behavior: "smooth" });
  next.querySelector("[data-jump]").focus({ preventScroll: true });
}

function hear(which) {
  dub.muted = which === "original";
  original.muted = which === "dub";
}

dub.addEventListener("play", () => {
  if (!broken) original.play().catch(() => {});
  show();
});
dub.addEventListener("pause", () => {
  original.pause();
  show();
});
dub.addEventListener("waiting", () => original.pause());
dub.addEventListener("playing", () => {
  if (!broken) original.play().catch(() => {});
});
dub.addEventListener("seeked", () => {
  if (!broken) original.currentTime = Math.min(dub.currentTime, original.duration || dub.currentTime);
});
dub.addEventListener("timeupdate", () => {
  correct();
  show();
});
for (const event of ["loadedmetadata", "ended"]) dub.addEventListener(event, show);

original.addEventListener("error", () => {
  broken = true;
  root.querySelector("[data-original-broken]").hidden = false;
});
if (original.error) original.dispatchEvent(new Event("error"));

play.addEventListener("click", toggle);
seek.addEventListener("input", () => jump(Number(seek.value)));
root.querySelector("[data-next]").addEventListener("click", nextFlagged);
for (const choice of listen) choice.addEventListener("change", () => hear(choice.value));

root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-jump]");
  if (button) jump(Number(button.closest("[data-start]").dataset.start));
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const typing = event.target.closest("textarea, select, input:not([type=range], [type=radio])");
  // Space presses a focused button, arrows move between radio buttons: that is theirs.
  const pressing = event.target.closest("button, a, summary") && event.key === " ";
  const choosing = event.target.closest("input[type=radio]") && event.key.startsWith("Arrow");
  if (typing || pressing || choosing) return;
  const keys = {
    " ": toggle,
    ArrowLeft: () => jump(dub.currentTime - STEP),
    ArrowRight: () => jump(dub.currentTime + STEP),
    n: nextFlagged,
  };
  if (!Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

hear("dub");
show();
