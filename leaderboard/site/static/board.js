// Sorting, filtering and columns of boards. Without this script every row and column is there, by rank.
"use strict";
(() => {
  const rowsOf = (body) => Array.from(body.rows).filter((row) => !row.classList.contains("part"));

  // Sorting: a click on a head sorts each body of its table; rows without a rank stay beneath.
  function sortable(table) {
    const bodies = Array.from(table.tBodies, (body) => ({
      body,
      rows: rowsOf(body),
      heads: Array.from(body.querySelectorAll(":scope > tr.part")),
      keys: new Map(),
    }));
    const heads = Array.from(table.tHead.rows[0].cells);

    for (const head of heads) {
      if (!head.dataset.kind) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
    }

    // What rows are sorted by, read once a column: numbers, or text with its numbers padded; null where it is missing.
    const keysOf = (part, column, number) => {
      if (!part.keys.has(column)) {
        const read = (row) => {
          const cell = row.children[column];
          const value = cell.dataset.value ?? cell.textContent;
          if (number) return value === "" || Number.isNaN(Number(value)) ? null : Number(value);
          return value === "" ? null : value.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
        };
        part.keys.set(column, part.rows.map(read));
      }
      return part.keys.get(column);
    };

    const sort = (column, direction) => {
      const sign = direction === "descending" ? -1 : 1;
      for (const part of bodies) {
        const keys = keysOf(part, column, heads[column].dataset.kind === "number");
        const known = [];
        const missing = [];
        keys.forEach((key, place) => (key === null ? missing : known).push(place));
        known.sort((a, b) => (keys[a] === keys[b] ? a - b : keys[a] < keys[b] ? -sign : sign));
        const rows = [...known, ...missing].map((place) => part.rows[place]);
        part.body.remove(); // moved while it is away, so that nothing is laid out twice
        part.body.replaceChildren(...part.heads, ...rows);
        table.append(part.body);
      }
      heads.forEach((head, place) => {
        if (place === column) head.setAttribute("aria-sort", direction);
        else head.removeAttribute("aria-sort");
      });
    };

    table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const head = button.closest("th");
      const first = head.dataset.first || "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      sort(heads.indexOf(head), head.getAttribute("aria-sort") === first ? other : first);
    });
  }

  document.querySelectorAll("table.board").forEach(sortable);

  // Filters: shots and protocol choose boards, the others choose rows.
  const form = document.getElementById("controls");
  if (!form) return;
  const sections = Array.from(document.querySelectorAll("section.of-board"), (section) => ({
    section,
    link: document.querySelector(`nav.boards a[href="#${section.id}"]`),
    rows: Array.from(section.querySelectorAll("tbody"), rowsOf).flat().map((row) => ({
      row,
      name: row.querySelector("th").textContent.toLowerCase(),
      prompts: row.dataset.prompts,
      training: (row.dataset.training || "").toLowerCase(),
    })),
    parts: Array.from(section.querySelectorAll("tr.part")),
  }));
  const output = form.querySelector("output");
  const value = (name) => form.elements[name].value;

  function filter() {
    const [shots, protocol, prompts] = ["shots", "protocol", "prompts"].map(value);
    const [model, training] = ["model", "training"].map((name) => value(name).trim().toLowerCase());
    let shown = 0;
    let all = 0;
    for (const { section, link, rows, parts } of sections) {
      const published = "published" in section.dataset;
      const asked = (!shots || section.dataset.shots === shots) && (!protocol || section.dataset.protocol === protocol);
      let here = 0;
      for (const { row, ...said } of rows) {
        const kept =
          said.name.includes(model) &&
          (!prompts || said.prompts === prompts) &&
          (!training || said.training.includes(training));
        if (row.hidden === kept) row.hidden = !kept;
        here += kept;
      }
      section.hidden = !asked || here === 0;
      if (link) link.parentElement.hidden = section.hidden;
      for (const part of parts) part.hidden = rowsOf(part.parentElement).every((row) => row.hidden);
      if (!published) {
        all += rows.length;
        shown += section.hidden ? 0 : here;
      }
    }
    output.textContent = `${shown} of ${all} measured rows shown`;
  }

  function columns() {
    for (const box of form.querySelectorAll('input[name="group"]')) {
      document.body.classList.toggle(`no-${box.value}`, !box.checked);
    }
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => (event.target.name === "group" ? columns() : filter()));
  form.hidden = false;
  columns();
  filter();
})();
