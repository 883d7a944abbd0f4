"use strict";

const videos = [...document.querySelectorAll("video")];
const [first, ...others] = videos;
const play = document.querySelector(".play");
const time = document.querySelector(".time input");
const APART = 0.02; // seconds, less than a frame

/* The first video leads; the others are where it is. */
function follow() {
  for (const video of others) {
    if (Math.abs(video.currentTime - first.currentTime) > APART && !video.seeking) {
      video.currentTime = first.currentTime;
    }
  }
}

function start() {
  for (const video of videos) video.play().catch(() => {});
}

function stop() {
  for (const video of videos) video.pause();
  follow();
}

function seek(seconds) {
  for (const video of videos) video.currentTime = seconds;
}

function step() {
  if (!first.paused) {
    follow();
    if (first.duration) time.value = (1000 * first.currentTime) / first.duration;
  }
  requestAnimationFrame(step);
}

play.addEventListener("click", () => (first.paused ? start() : stop()));
for (const name of ["play", "pause"]) {
  first.addEventListener(name, () => (play.textContent = first.paused ? "Play" : "Pause"));
}

time.addEventListener("input", () => {
  stop();
  seek((time.value / 1000) * (first.duration || 0));
});

document.querySelector(".speed").addEventListener("change", (event) => {
  for (const video of videos) video.playbackRate = Number(event.target.value);
});

document.querySelector(".show").addEventListener("change", (event) => {
  const [seconds, paused, rate] = [first.currentTime, first.paused, first.playbackRate];
  for (const video of videos) {
    video.src = video.dataset[`view${event.target.selectedIndex}`];
    video.playbackRate = rate;
    video.addEventListener("loadedmetadata", () => (video.currentTime = seconds), { once: true });
  }
  if (!paused) start();
});

start();
step();
