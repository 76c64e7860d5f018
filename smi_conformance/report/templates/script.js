"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const form = document.querySelector(".filter");
  const rows = all("details.row");
  const picked = new Set();

  const fits = (row, needle) =>
    (!picked.size || picked.has(row.dataset.verdict)) &&
    (!one("level").value || row.dataset.level === one("level").value) &&
    needle.every((word) => row.dataset.words.includes(word));

  const filter = () => {
    const needle = one("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !fits(row, needle);
    for (const area of all(".area")) area.hidden = !area.querySelector("details.row:not([hidden])");
    const shown = rows.filter((row) => !row.hidden).length;
    one("found").textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
    one("nothing").hidden = shown > 0 || !rows.length;
  };

  const open = () => {
    const target = one(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.matches("details.row")) return;
    if (target.hidden) {
      form.reset();
      picked.clear();
      for (const button of all("[data-verdict][aria-pressed]", form)) button.setAttribute("aria-pressed", "false");
      filter();
    }
    target.open = true;
    target.scrollIntoView();
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  for (const button of all("button[data-verdict]", form)) {
    button.addEventListener("click", () => {
      const verdict = button.dataset.verdict;
      if (!picked.delete(verdict)) picked.add(verdict);
      button.setAttribute("aria-pressed", String(picked.has(verdict)));
      filter();
    });
  }
  one("expand").addEventListener("click", (event) => {
    const opening = event.currentTarget.getAttribute("aria-pressed") !== "true";
    for (const row of rows) if (!row.hidden) row.open = opening;
    event.currentTarget.setAttribute("aria-pressed", String(opening));
    event.currentTarget.textContent = opening ? "Close all" : "Open all";
  });
  if (one("copy") && navigator.clipboard) {
    one("copy").hidden = false;
    one("copy").addEventListener("click", async () => {
      await navigator.clipboard.writeText(one("command").textContent);
      one("copy").textContent = "Copied";
    });
  }

  // On paper nothing can be opened: what did not pass is printed with its evidence.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])").filter((part) => !part.matches('.row[data-verdict="pass"], .row[data-verdict="pass"] *'));
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
  addEventListener("hashchange", open);
  open();
})();
