"use strict";

/* Numbers in order; whatever is no number comes last either way. */
function compare(a, b, direction) {
  const known = [a, b].map((value) => value !== "" && Number.isFinite(Number(value)));
  if (!known[0] || !known[1]) return known[1] - known[0];
  return direction * (Number(a) - Number(b));
}

function sortTable(header) {
  const table = header.closest("table");
  const column = Number(header.dataset.column);
  const state = header.getAttribute("aria-sort");
  const rising = state === "descending" || (state === null && column === 0);
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const value = (row) => row.cells[column].dataset.value ?? "";
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => row.className !== "heading");
    body.append(...rows.sort((a, b) => compare(value(a), value(b), rising ? 1 : -1)));
  }
}

function sortCards(gallery) {
  const select = gallery.querySelector(".sort-key");
  const order = gallery.querySelector(".sort-order");
  const cards = gallery.querySelector(".cards");
  const found = [...cards.children];
  const value = (card) =>
    select.value
      ? [...card.querySelectorAll("td")].find((cell) => cell.dataset.key === select.value).dataset.value
      : card.dataset.position;
  const values = new Map(found.map((card) => [card, value(card)]));
  const direction = Number(order.value);
  cards.append(...found.sort((a, b) => compare(values.get(a), values.get(b), direction)));
  const label = `${select.selectedOptions[0].text}, ${order.selectedOptions[0].text}`;
  gallery.querySelector("[role=status]").textContent = `Sorted by ${label}`;
}

function choose(gallery, strategy) {
  for (const part of gallery.querySelectorAll("[data-strategy]")) {
    part.hidden = part.dataset.strategy !== strategy;
  }
}

for (const button of document.querySelectorAll(".sortable th button")) {
  button.addEventListener("click", () => sortTable(button.closest("th")));
}

for (const slider of document.querySelectorAll(".compare input")) {
  const cut = () => slider.parentElement.style.setProperty("--cut", `${slider.value}%`);
  slider.addEventListener("input", cut);
  cut(); // browsers keep a slider where it was when a page is loaded again
}

for (const gallery of document.querySelectorAll(".gallery")) {
  [...gallery.querySelectorAll(".card")].forEach((card, i) => (card.dataset.position = i));
  const keys = gallery.querySelectorAll(".sort-key, .sort-order");
  for (const select of keys) select.addEventListener("change", () => sortCards(gallery));
  sortCards(gallery);
  const chosen = gallery.querySelector(".choose");
  if (chosen) {
    chosen.addEventListener("change", () => choose(gallery, chosen.value));
    choose(gallery, chosen.value);
  }
}
