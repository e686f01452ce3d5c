// The fleet's page is fetched again every few seconds; what its reader is at stays as it is.

const chosen = new Map();

// What was opened or closed by hand stays so; a node that gets into trouble opens by itself.
document.addEventListener("click", (event) => {
  const details = event.target.closest?.("#fleet summary")?.parentElement;
  if (details?.id) chosen.set(details.id, !details.open);
});

// What is in a closed part cannot have the focus: htmx's own way of keeping it comes too early.
let focused = "";
document.addEventListener("htmx:beforeSwap", () => {
  focused = document.activeElement?.closest("#fleet") ? document.activeElement.id : "";
});

document.addEventListener("htmx:load", () => {
  for (const [id, open] of chosen) {
    const details = document.getElementById(id);
    if (details) details.open = open;
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  focused = "";
});

// A name in the picture leads to its node, which may be closed.
document.addEventListener("click", (event) => {
  const name = event.target.closest?.("#fleet .fleet-name");
  const details = name && document.getElementById(name.hash.slice(1));
  if (!details) return;
  details.open = true;
  chosen.set(details.id, true);
});

// A hint that is being read is not taken away.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "fleet" && event.target.querySelector(".fleet-timeline:hover")) {
    event.preventDefault();
  }
});
