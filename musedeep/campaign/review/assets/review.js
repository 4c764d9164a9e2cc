"use strict";
// The table of the campaign (sort, filter, keys) and the page of a product (blink, keys). All that decides is a form.
(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const kept = (store, key, value) => {
    // a folder that is opened from disk, or private windows, may have no storage
    try {
      if (value === undefined) return store().getItem(key);
      store().setItem(key, value);
    } catch { /* goes without */ }
    return null;
  };
  const local = (key, value) => kept(() => localStorage, "musedeep-review-" + key, value);
  const session = (key, value) => kept(() => sessionStorage, "musedeep-review-" + key, value);

  const theme = local("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  const actions = {
    theme() {
      const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
      document.documentElement.dataset.theme = dark ? "light" : "dark";
      local("theme", document.documentElement.dataset.theme);
    },
    help() {
      const dialog = $("#help");
      dialog.open ? dialog.close() : dialog.showModal();
    },
  };
  const keys = { t: actions.theme, "?": actions.help };

  if (document.body.classList.contains("index")) index(); else product();

  document.addEventListener("click", (event) => {
    const action = event.target.closest("[data-do]")?.dataset.do;
    if (action) actions[action]?.();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    if ($("#help").open && event.key !== "?") return;
    if (event.target.closest("button, a, summary") && (event.key === " " || event.key === "Enter")) return;
    const action = keys[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });

  function index() {
    const table = $("#products");
    const body = $("tbody", table);
    const heads = all("thead th", table);
    const filter = $("#filter"), failed = $("#only-failed"), redo = $("#only-redo");
    // read once: the text and the values of all cells
    const rows = all("tr", body).map((row, place) => ({
      row, place, text: row.textContent.toLowerCase() + all("[title]", row).map((one) => one.title).join(" ").toLowerCase(),
      values: [...row.cells].map((cell) => cell.dataset.v ?? cell.textContent.trim()),
      state: row.dataset.state, attention: "attention" in row.dataset, redo: "redo" in row.dataset,
      href: $("a", row).getAttribute("href"),
    }));
    let state = "", sorted = 0, down = false, here = -1, shown = rows;

    const natural = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
    function order() {
      const number = "number" in heads[sorted].firstElementChild.dataset || sorted === 1;
      rows.sort((a, b) => {
        const x = a.values[sorted], y = b.values[sorted];
        if (number && (x === "" || y === "")) return (x === "") - (y === "") || a.place - b.place;
        return (number ? x - y : natural.compare(x, y)) * (down ? -1 : 1) || a.place - b.place;
      });
      body.append(...rows.map((one) => one.row));
      heads.forEach((head, k) => k === sorted ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
      show();
    }
    function show() {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      shown = rows.filter((one) => {
        const good = (!state || one.state === state) && (!failed.checked || one.attention) && (!redo.checked || one.redo)
          && words.every((word) => one.text.includes(word));
        one.row.hidden = !good;
        return good;
      });
      $("#shown").textContent = `${shown.length} shown`;
      $("#nothing").hidden = shown.length > 0;
      all(".count").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.state === state)));
      session("order", JSON.stringify(shown.map((one) => one.href)));
      session("table", JSON.stringify({ state, sorted, down, words: filter.value, failed: failed.checked, redo: redo.checked }));
      mark(Math.min(here, shown.length - 1), false);
    }
    function mark(place, scroll = true) {
      rows.forEach((one) => one.row.classList.remove("here"));
      here = place;
      if (here < 0 || !shown[here]) return;
      shown[here].row.classList.add("here");
      if (scroll) {
        $("a", shown[here].row).focus({ preventScroll: true });
        shown[here].row.scrollIntoView({ block: "nearest" });
      }
    }
    heads.forEach((head, k) => head.firstElementChild.addEventListener("click", () => {
      down = sorted === k ? !down : "number" in head.firstElementChild.dataset;
      sorted = k;
      order();
    }));
    all(".count").forEach((one) => one.addEventListener("click", () => {
      state = one.dataset.state;
      show();
    }));
    for (const one of [filter, failed, redo]) one.addEventListener("input", show);
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row && !event.target.closest("a") && !String(getSelection())) $("a", row).click();
    });
    Object.assign(keys, {
      j: () => mark(Math.min(here + 1, shown.length - 1)),
      k: () => mark(Math.max(here - 1, 0)),
      Enter: () => shown[here] && $("a", shown[here].row).click(),
      "/": () => filter.focus(),
    });
    try {
      const before = JSON.parse(session("table") ?? "null");
      if (before) {
        ({ state, sorted, down } = before);
        filter.value = before.words;
        failed.checked = before.failed;
        redo.checked = before.redo;
        if (sorted || down) return order();
      }
    } catch { /* as it is */ }
    show();
  }

  function product() {
    const own = $("#main").dataset.key;
    // the order of the table, as it was filtered and sorted
    const root = "../../../";
    const order = JSON.parse(session("order") ?? "[]");
    const place = order.indexOf(`products/${own}/index.html`);
    if (place >= 0) {
      $("#position").textContent = `${place + 1} of ${order.length}`;
      for (const [id, other] of [["previous", order[place - 1]], ["next", order[place + 1]]]) {
        const link = $("#" + id);
        if (other) {
          link.setAttribute("href", root + other);
          link.removeAttribute("aria-disabled");
        } else {
          link.removeAttribute("href");
          link.setAttribute("aria-disabled", "true");
        }
      }
    }
    const go = (id) => () => $("#" + id)?.hasAttribute("href") && $("#" + id).click();
    Object.assign(keys, { j: go("next"), k: go("previous"), u: () => $("[data-key=u]").click() });
    $("#marks")?.addEventListener("input", (event) => document.body.classList.toggle("no-marks", !event.target.checked));
    decisions();
    exposures();
  }

  function decisions() {
    const form = $("#decide");
    if (!form) return;
    const by = $("#by"), text = $("#text");
    by.value ||= local("by") ?? "";
    form.addEventListener("submit", () => local("by", by.value));
    const press = (action) => form.requestSubmit($(`button[value=${action}]`, form));
    // a reason is asked for by the browser, where it is needed
    for (const button of all("button[name=action]", form)) {
      button.addEventListener("click", () => {
        text.required = ["reject", "comment", "exclude"].includes(button.value);
      });
    }
    const pick = (exposure) => {
      $("#change").open = true;
      $("#exposure").value = exposure;
      text.scrollIntoView({ block: "center" });
      text.focus();
      text.placeholder = `Why is ${exposure} to be left out?`;
    };
    document.addEventListener("click", (event) => {
      const out = event.target.closest("[data-pick]"), back = event.target.closest("[data-take-back]");
      if (out) pick(out.dataset.pick);
      if (back) {
        $("#exposure").value = back.dataset.takeBack;
        press("include");
      }
    });
    Object.assign(keys, {
      a: () => by.value ? press("accept") : by.focus(),
      c: () => text.focus(),
      x: () => {
        const row = $("#exposures tr.here");
        if (row && $("[data-pick]", row)) pick(row.dataset.exposure);
      },
    });
  }

  function exposures() {
    const viewer = $("#viewer");
    const rows = all("#exposures tbody tr[data-number]");
    if (!viewer || !rows.length) return;
    const images = { single: $("#blink"), residual: $("#blink-residual") };
    for (const image of Object.values(images)) {
      for (const kind of ["load", "error"]) image.addEventListener(kind, () => image.classList.remove("loading"));
    }
    const file = (what, row) => `pictures/${what}-${row.dataset.number}.png`;
    let here = 0, timer = 0;
    const loaded = new Map();
    // what is loaded stays, so that blinking does not flicker
    function load(what, row) {
      const name = file(what, row);
      if (!loaded.has(name)) {
        const image = new Image();
        image.src = name;
        loaded.set(name, image);
      }
    }
    function show(number) {
      here = (number + rows.length) % rows.length;
      const row = rows[here];
      for (const [what, image] of Object.entries(images)) {
        image.src = file(what, row);
        // the name below must not stand under the image of another exposure
        image.classList.toggle("loading", !image.complete);
        load(what, rows[(here + 1) % rows.length]);
      }
      rows.forEach((one) => one.classList.toggle("here", one === row));
      $("#current").textContent = `${here + 1}/${rows.length}  ${row.dataset.exposure}`;
      images.single.alt = `Image of ${row.dataset.exposure}`;
      images.residual.alt = `Residual of ${row.dataset.exposure}`;
      all("#contact button").forEach((one) => one.dataset.show === row.dataset.exposure ? one.setAttribute("aria-current", "true") : one.removeAttribute("aria-current"));
    }
    function play(on) {
      clearInterval(timer);
      timer = 0;
      if (on) {
        rows.forEach((row) => { load("single", row); load("residual", row); });
        timer = setInterval(() => show(here + 1), 1200 / $("#speed").value);
      }
      $("#play").setAttribute("aria-pressed", String(on));
    }
    Object.assign(actions, {
      back: () => show(here - 1),
      forth: () => show(here + 1),
      play: () => play(!timer),
      contact() {
        const sheet = $("#contact");
        sheet.hidden = !sheet.hidden;
        $("#contact-button").setAttribute("aria-pressed", String(!sheet.hidden));
        if (!sheet.childElementCount) {
          sheet.append(...rows.map((row) => {
            const button = document.createElement("button"), image = new Image(), label = document.createElement("span");
            button.type = "button";
            button.dataset.show = row.dataset.exposure;
            image.loading = "lazy";
            image.src = file("residual", row);
            image.alt = "";
            label.textContent = $("th", row).textContent;
            button.append(image, label);
            return button;
          }));
          show(here);
        }
      },
    });
    $("#speed").addEventListener("input", () => timer && play(true));
    document.addEventListener("click", (event) => {
      const wanted = event.target.closest("[data-show]")?.dataset.show;
      const number = rows.findIndex((row) => row.dataset.exposure === wanted);
      if (number < 0) return;
      event.preventDefault();
      play(false);
      show(number);
      if (!event.target.closest("#contact")) viewer.scrollIntoView({ block: "center" });
    });
    Object.assign(keys, { " ": actions.play, ArrowLeft: actions.back, ArrowRight: actions.forth, s: actions.contact });
    show(0);
  }
})();
