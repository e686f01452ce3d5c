// Shows how far an upload is. Without this script the form is sent by the browser itself.

const form = document.querySelector("form[data-upload]");

function show(sentence, wrong) {
  const place = form.querySelector("[data-upload-words]");
  place.textContent = sentence;
  place.className = wrong ? "wrong" : "hint";
}

function size(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

function left(sent, total, began) {
  const passed = (performance.now() - began) / 1000;
  if (passed < 2 || sent === 0) return "";
  const seconds = (passed / sent) * (total - sent);
  return seconds < 90 ? `, about ${Math.ceil(seconds)} s left` : `, about ${Math.ceil(seconds / 60)} min left`;
}

function end(request, button, bar) {
  let answer = {};
  try {
    answer = JSON.parse(request.responseText);
  } catch {
    // Not from our own page: a proxy's words are no use to anybody.
    if (request.status === 413) answer = { sentence: "This file is too big." };
  }
  if (answer.location) {
    window.location.assign(answer.location);
    return;
  }
  button.disabled = false;
  bar.parentElement.hidden = false;
  bar.hidden = true;
  show(answer.sentence || "The upload was refused. Reload the page and try again.", true);
}

function send(event) {
  const file = form.querySelector("input[type=file]").files[0];
  if (!file) return;
  event.preventDefault();
  const state = form.querySelector("[data-upload-state]");
  const bar = state.querySelector("progress");
  const button = form.querySelector("button[type=submit]");
  state.hidden = false;
  bar.hidden = false;
  if (file.size > Number(form.dataset.maxBytes)) {
    bar.hidden = true;
    show(form.dataset.tooBig, true);
    return;
  }
  // First of all fields, so that the server knows it before the file arrives.
  const data = new FormData();
  for (const [name, value] of new FormData(form)) if (name !== "video") data.append(name, value);
  data.set("whole_size", String(file.size));
  data.append("video", file);

  const began = performance.now();
  const request = new XMLHttpRequest();
  request.open("POST", form.action || window.location.href);
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("X-CSRFToken", form.querySelector("[name=csrfmiddlewaretoken]").value);
  request.upload.addEventListener("progress", (tick) => {
    bar.max = tick.total;
    bar.value = tick.loaded;
    show(
      tick.loaded < tick.total
        ? `${size(tick.loaded)} of ${size(tick.total)}${left(tick.loaded, tick.total, began)}`
        : "Received. Looking at the video…",
      false,
    );
  });
  request.addEventListener("load", () => end(request, button, bar));
  request.addEventListener("error", () => {
    button.disabled = false;
    bar.hidden = true;
    show("The connection was lost. Only a part arrived, and nothing was kept: please try again.", true);
  });
  button.disabled = true;
  request.send(data);
}

if (form) form.addEventListener("submit", send);
