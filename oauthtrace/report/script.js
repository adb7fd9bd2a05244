// Comfort only: everything is readable without it. Texts come from the page; nothing is parsed as HTML.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const words = JSON.parse(document.documentElement.dataset.words || "{}");

  // deep links into folded parts
  const reveal = () => {
    let at;
    try { at = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!at) return;
    let folded = false;
    for (let up = at.parentElement; up; up = up.parentElement) {
      if (up.tagName === "DETAILS" && !up.open) { up.open = true; folded = true; }
      if (up.hidden) { up.hidden = false; folded = true; }
    }
    if (folded) at.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", reveal);
  reveal();

  // copying: the clipboard of a page opened from a file may be closed, so fall back to a selection
  const copy = async (text, button) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const label = button.textContent;
    button.textContent = words.copied;
    setTimeout(() => { button.textContent = label; }, 1500);
  };
  const button = (label, text, className = "") => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = className;
    made.textContent = label;
    made.addEventListener("click", (event) => { event.preventDefault(); copy(text(), made); });
    return made;
  };
  for (const block of all("[data-copy]")) {
    const text = block.textContent;
    block.append(button(words.copy, () => text));
  }
  for (const article of all(".incident")) {
    const ticket = article.querySelector(".ticket pre");
    const text = ticket.firstChild.nodeValue;
    article.querySelector("header").prepend(button(words.markdown, () => text, "ticket-copy"));
    for (const details of all(".failures", article)) {
      details.addEventListener("toggle", () => {
        for (const row of all("tbody tr", details)) {
          const cells = [...row.cells].map((cell) => cell.innerText.replace(/\s+/g, " ").trim());
          const note = () => `${text}\n\n**This failure**: ${cells.map((cell) => `\`${cell.replace(/`/g, "'")}\``).join(", ")}\n`;
          row.cells[row.cells.length - 1].append(" ", button(words.markdown, note));
        }
      }, { once: true });
    }
  }

  // sorting: up, down, and back to the given order; rows of notes stay below the row that they belong to
  const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });
  for (const table of all("table[data-sortable]")) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], groups = [];
    for (const row of body.rows) {
      if (row.classList.contains("note") && groups.length) groups[groups.length - 1].push(row); else groups.push([row]);
    }
    if (groups.length < 2) continue;
    table.classList.add("sortable");
    heads.forEach((head, column) => {
      const key = (rows) => { const cell = rows[0].cells[column]; return cell.dataset.sort ?? cell.textContent; };
      const orders = head.dataset.first === "descending" ? ["descending", "ascending", null] : ["ascending", "descending", null];
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.textContent = head.textContent;
      sorter.addEventListener("click", () => {
        const order = orders[(orders.indexOf(head.getAttribute("aria-sort")) + 1) % 3];
        for (const other of heads) other.removeAttribute("aria-sort");
        if (order) head.setAttribute("aria-sort", order);
        const sign = order === "descending" ? -1 : 1;
        const sorted = order ? [...groups].sort((a, b) => sign * collator.compare(key(a), key(b))) : groups;
        body.append(...sorted.flat());
      });
      head.replaceChildren(sorter);
    });
  }

  // filter and expand
  const tools = document.getElementById("tools");
  if (!tools) return;
  tools.hidden = false;
  const search = document.getElementById("filter"), found = document.getElementById("found");
  const rows = all("tr[data-of]").map((row) => {
    const detail = document.getElementById(row.dataset.of);
    return { row, detail, text: (row.textContent + (detail ? detail.textContent : "")).toLowerCase() };
  });
  const goingOn = document.getElementById("going-on");
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const { row, detail, text } of rows) {
      const fits = text.includes(wanted) && (!goingOn?.checked || "goingOn" in row.dataset);
      row.hidden = !fits;
      if (detail) detail.hidden = !fits;
      shown += fits;
    }
    found.textContent = shown === rows.length ? "" : shown ? `${shown} / ${rows.length}` : found.dataset.none;
  };
  search.addEventListener("input", filter);
  goingOn?.addEventListener("change", filter);
  const expand = document.getElementById("expand");
  expand.addEventListener("click", () => {
    const folded = all("details");
    const open = folded.some((details) => !details.open);
    for (const details of folded) details.open = open;
    expand.textContent = open ? expand.dataset.close : expand.dataset.open;
  });
})();
