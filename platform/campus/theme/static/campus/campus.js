// What every page does beyond plain links and forms.

// A tab that nobody looks at asks for nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.matches("[data-poll]")) {
    event.preventDefault();
  }
});

// Whoever comes back to the tab sees how things stand at once.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-poll]")) {
    window.htmx?.trigger(element, "seen");
  }
});

// htmx does not swap refusals by itself, yet their sentence is for people.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 409) event.detail.shouldSwap = true;
});

// A button pressed twice in a hurry is pressed once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.method === "post" && !form.hasAttribute("hx-post") && !form.hasAttribute("data-upload")) {
    form.dataset.sent = "yes";
  }
});

// Back in the history the form may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
