// Compares two rows of a board in the browser. What is shown comes from scripts that the build wrote (they load from a
// disk as well as from a server) and is put on the page as text alone.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const NONE = 65535; // the code of a replicate that is no number
  const MANY = 15; // so many models need a filter
  const boards = new Map();
  const rows = new Map();
  const waiting = new Map();

  globalThis.fsbenchBoard = (data) => boards.set(data.board, data.rows);
  globalThis.fsbenchRow = (data) => rows.set(`${data.board}/${data.id}`, data);

  // Runs a script of the site once; rejects where there is none.
  function load(path) {
    if (!waiting.has(path)) {
      waiting.set(
        path,
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.src = `data/${path}.js`;
          script.onload = resolve;
          script.onerror = () => reject(new Error(`data/${path}.js cannot be loaded`));
          document.head.append(script);
        }),
      );
    }
    return waiting.get(path);
  }

  function element(name, className, ...children) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  // Replicates as numbers; see packed() in compare_page.py.
  function unpack(draws) {
    const bytes = Uint8Array.from(atob(draws.codes), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const found = new Float64Array(bytes.length / 2);
    for (let i = 0; i < found.length; i += 1) {
      const code = view.getUint16(2 * i, true);
      found[i] = code === NONE ? NaN : draws.low + code * draws.step;
    }
    return found;
  }

  // Linear percentile of sorted numbers, as numpy has it.
  function percentile(sorted, q) {
    const place = (q / 100) * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
  }

  // The 95 % interval of a - b, replicate by replicate; null where there is none.
  function pairedInterval(a, b) {
    if (!a || !b) return null;
    const of_a = unpack(a);
    const of_b = unpack(b);
    const differences = of_a.map((value, i) => value - of_b[i]).filter((value) => !Number.isNaN(value));
    if (differences.length === 0) return null;
    differences.sort();
    return [percentile(differences, 2.5), percentile(differences, 97.5)];
  }

  const points = (difference, digits) => {
    const said = (100 * difference).toFixed(digits);
    return Number(said) > 0 ? `+${said}` : Number(said) === 0 ? (0).toFixed(digits) : said.replace("-", "−");
  };
  const percent = (score) => (score === null ? "–" : (100 * score).toFixed(1));

  function diverging(share) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "diverging");
    svg.setAttribute("viewBox", "0 0 100 1");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const bar = document.createElementNS(SVG, "rect");
    const width = 50 * Math.abs(share);
    bar.setAttribute("class", share >= 0 ? "a" : "b");
    bar.setAttribute("x", (share >= 0 ? 50 : 50 - width).toFixed(2));
    bar.setAttribute("width", width.toFixed(2));
    bar.setAttribute("height", "1");
    svg.append(bar);
    return svg;
  }

  function sideHead(name, row) {
    const link = element("a", null, row.model);
    link.href = row.page;
    const said = [element("span", name === "A" ? "side-a" : "side-b", name), " ", link];
    const head = element("th", "n", ...said, element("small", null, row.about));
    for (const mark of row.marks) head.append(element("span", "tag warn", mark), " ");
    head.scope = "col";
    return head;
  }

  function verdict(a, b) {
    if (a.miou === null || b.miou === null) {
      return element("p", "verdict", "No benchmark mean to compare: a fold or a score is missing. Folds and classes in both are below.");
    }
    const interval = pairedInterval(a.draws, b.draws);
    const line = element("p", "verdict", "A − B = ", element("strong", null, `${points(a.miou - b.miou, 2)} points of mIoU`));
    line.id = "verdict";
    if (interval === null) {
      line.append("; no paired interval: replicates are not kept for both.");
      return line;
    }
    const [low, high] = interval;
    line.dataset.low = String(100 * low);
    line.dataset.high = String(100 * high);
    line.append(`, 95 % interval ${points(low, 2)} to ${points(high, 2)}: `);
    line.append(low <= 0 && high >= 0 ? "not separable at 95 %." : "separable at 95 %.");
    return line;
  }

  function scoresTable(a, b) {
    const corner = element("th", null, "score, in %");
    corner.scope = "col";
    const difference = element("th", "n", "A − B");
    difference.scope = "col";
    const head = element("thead", null, element("tr", null, corner, sideHead("A", a), sideHead("B", b), difference));
    const body = element("tbody");
    const other = new Map(b.scores.map((line) => [line[0], line]));
    const names = [...a.scores.map((line) => line[0]), ...b.scores.map((line) => line[0])];
    const of_a = new Map(a.scores.map((line) => [line[0], line]));
    for (const name of new Set(names)) {
      const title = element("th", null, name);
      title.scope = "row";
      const row = element("tr", null, title);
      for (const line of [of_a.get(name), other.get(name)]) {
        const cell = element("td", "n", line ? line[1] : "–");
        if (line && line[2]) cell.append(element("small", null, line[2]));
        row.append(cell);
      }
      const [first, second] = [of_a.get(name), other.get(name)].map((line) => (line ? line[3] : null));
      row.append(element("td", "n", first === null || second === null ? "–" : points(first - second, 2)));
      body.append(row);
    }
    const table = element("table", "sides", head, body);
    const scroll = element("div", "scroll fit", table);
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Scores side by side");
    return scroll;
  }

  function classes(a, b) {
    const other = new Map(b.classes.map((line) => [line[0], line]));
    const shared = a.classes.filter((line) => other.has(line[0]) && line[1] !== null && other.get(line[0])[1] !== null);
    const found = shared.map((line) => ({ key: line[0], a: line[1], b: other.get(line[0])[1], d: line[1] - other.get(line[0])[1] }));
    found.sort((x, y) => y.d - x.d || (x.key < y.key ? -1 : 1));
    const [wins, losses] = [found.filter((c) => c.d > 0).length, found.filter((c) => c.d < 0).length];
    const left = new Set([...a.classes, ...b.classes].map((line) => line[0])).size - found.length;
    const most = Math.max(...found.map((c) => Math.abs(c.d)), 1e-9);
    const count = element(
      "p", null,
      element("span", "side-a", "A"), ` is better in ${wins}, `, element("span", "side-b", "B"),
      ` in ${losses} of ${found.length} classes${wins + losses < found.length ? `, equal in ${found.length - wins - losses}` : ""}.`,
      left ? ` ${left} left out: no IoU in one of them.` : "",
      found.length ? ` The longest bar is ${(100 * most).toFixed(1)} points.` : "",
    );
    count.id = "wins";
    const list = element("ul", "differences");
    for (const c of found) {
      const key = element("span", "class-name", c.key);
      key.title = c.key;
      list.append(
        element(
          "li", null, key, diverging(c.d / most), element("span", "value", points(c.d, 1)),
          element("span", "both", `${percent(c.a)} / ${percent(c.b)}`),
        ),
      );
    }
    return [element("h2", null, "Per class, A − B"), count, list];
  }

  function command(a, b) {
    if (a.record === null || b.record === null) return [];
    const shown = element("pre", "command", element("code", null, `fsbench compare ${a.record} ${b.record}`));
    shown.tabIndex = 0;
    const said = "Intervals for every class and a permutation test, in the results folder:";
    return [element("p", null, said), shown];
  }

  function show(a, b) {
    const note =
      "The interval is paired, uncorrected for the number of comparisons, and covers the sampling of query images only, given supports, weights and classes.";
    document.getElementById("compared").replaceChildren(
      verdict(a, b),
      element("p", "small soft", note),
      scoresTable(a, b),
      ...classes(a, b),
      ...command(a, b),
    );
    document.getElementById("compared").hidden = false;
  }

  // Puts the choice into the address, where the browser lets a page from a disk do so.
  function remember(hash) {
    try {
      history.replaceState(null, "", hash);
    } catch {
      // the choice then lasts as long as the page
    }
  }

  addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("choice");
    if (form === null) return;
    const [boardSelect, filter, selectA, selectB] = ["board", "filter", "a", "b"].map((id) => document.getElementById(id));
    const status = document.getElementById("status");
    const known = new Set([...boardSelect.options].map((option) => option.value));
    let turn = 0;
    let current = { a: null, b: null };

    function fill(select, chosen, text) {
      const list = boards.get(boardSelect.value);
      const kept = list.filter((row) => row.id === chosen || row.label.toLowerCase().includes(text));
      select.replaceChildren(
        ...kept.map((row) => {
          const option = element("option", null, `${row.miou}  ${row.label}`);
          option.value = row.id;
          return option;
        }),
      );
      select.value = chosen;
    }

    async function update(wantedA, wantedB) {
      turn += 1;
      const mine = turn;
      const board = boardSelect.value;
      status.textContent = "Loading…";
      try {
        await load(board);
        if (mine !== turn) return;
        const ids = boards.get(board).map((row) => row.id);
        const a = ids.includes(wantedA) ? wantedA : ids.find((id) => id !== wantedB);
        const b = ids.includes(wantedB) && wantedB !== a ? wantedB : ids.find((id) => id !== a);
        document.getElementById("filter-line").hidden = ids.length < MANY;
        const text = ids.length < MANY ? "" : filter.value.trim().toLowerCase();
        fill(selectA, a, text);
        fill(selectB, b, text);
        await Promise.all([load(`${board}/${a}`), load(`${board}/${b}`)]);
        if (mine !== turn) return;
        show(rows.get(`${board}/${a}`), rows.get(`${board}/${b}`));
        status.textContent = "";
        current = { a, b };
        remember(`#board=${board}&a=${a}&b=${b}`);
      } catch (error) {
        if (mine === turn) status.textContent = `Nothing to compare: ${error.message}.`;
      }
    }

    function fromHash() {
      const said = new URLSearchParams(location.hash.slice(1));
      if (known.has(said.get("board"))) boardSelect.value = said.get("board");
      update(said.get("a"), said.get("b"));
    }

    boardSelect.addEventListener("change", () => {
      filter.value = "";
      update(null, null);
    });
    selectA.addEventListener("change", () => update(selectA.value, selectA.value === current.b ? current.a : current.b));
    selectB.addEventListener("change", () => update(selectB.value === current.a ? current.b : current.a, selectB.value));
    filter.addEventListener("input", () => {
      const text = filter.value.trim().toLowerCase();
      fill(selectA, selectA.value, text);
      fill(selectB, selectB.value, text);
    });
    document.getElementById("swap").addEventListener("click", () => update(selectB.value, selectA.value));
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("hashchange", fromHash);
    form.hidden = false;
    fromHash();
  });
})();
