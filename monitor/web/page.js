// What textual-serve's terminal needs beside itself: keys go to it at once, and the secret leaves the address bar.
"use strict";

history.replaceState(null, "", location.pathname);

function takeKeys() {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys && !document.body.classList.contains("-closed")) {
    keys.blur();
    keys.focus();
  }
}

addEventListener("focus", takeKeys);
addEventListener("DOMContentLoaded", () => {
  const terminal = document.querySelector("#terminal");
  new MutationObserver(() => {
    if (terminal.classList.contains("-connected")) takeKeys();
  }).observe(terminal, { attributeFilter: ["class"] });
  document.querySelector(".ended button").addEventListener("click", () => location.reload());
});
