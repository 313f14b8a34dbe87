
"use strict";
document.documentElement.classList.add("live");

const value = (row, column) => {
  const cell = row.cells[column];
  return "value" in cell.dataset ? Number(cell.dataset.value) : cell.classList.contains("n") ? NaN : cell.textContent;
};

const order = (a, b) => {
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b), "en", { numeric: true });
  return a - b;
};

function sortBy(table, head) {
  const column = head.cellIndex;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
  const known = rows.filter(([v]) => !Number.isNaN(v));
  const unknown = rows.filter(([v]) => Number.isNaN(v));
  known.sort(([a], [b]) => (down ? order(b, a) : order(a, b)));
  table.tBodies[0].append(...[...known, ...unknown].map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sorts")) {
  for (const head of table.tHead.rows[0].cells) {
    if (!head.textContent.trim()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, head));
    head.append(button);
  }
}

for (const field of document.querySelectorAll(".filter input")) {
  const rows = [...document.getElementById(field.getAttribute("aria-controls")).tBodies[0].rows];
  const count = field.closest(".filter").querySelector("output");
  field.closest(".filter").hidden = false;
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  field.addEventListener("input", show);
  show();
}

for (const curtain of document.querySelectorAll(".curtain")) {
  const stack = curtain.querySelector(".stack");
  const [left, right] = curtain.querySelectorAll("select");
  const slider = curtain.querySelector("input[type=range]");
  const layers = [...stack.querySelectorAll(".layer")];
  const choose = () => {
    for (const layer of layers) {
      layer.classList.toggle("at-left", layer.dataset.name === left.value);
      layer.classList.toggle("at-right", layer.dataset.name === right.value);
    }
  };
  const draw = () => stack.style.setProperty("--x", `${slider.value}%`);
  const follow = (event) => {
    if (!event.buttons) return;
    const box = stack.getBoundingClientRect();
    slider.value = Math.max(0, Math.min(100, (100 * (event.clientX - box.left)) / box.width));
    draw();
  };
  left.addEventListener("change", choose);
  right.addEventListener("change", choose);
  slider.addEventListener("input", draw);
  stack.addEventListener("pointerdown", follow);
  stack.addEventListener("pointermove", follow);
  stack.addEventListener("dragstart", (event) => event.preventDefault());
  choose();
  draw();
}
