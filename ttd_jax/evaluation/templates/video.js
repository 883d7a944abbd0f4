"use strict";

const video = document.querySelector("video");

/* Another view begins where the last one was. */
document.querySelector("select").addEventListener("change", (event) => {
  const [seconds, paused] = [video.currentTime, video.paused];
  video.addEventListener(
    "loadedmetadata",
    () => {
      video.currentTime = seconds;
      if (!paused) video.play();
    },
    { once: true },
  );
  video.src = event.target.value;
});
