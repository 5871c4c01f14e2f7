// A tree that draws only what is on the screen. A node is {key, id, draw(row), kids() or null}; `id` is the capability, or NONE.
const ROW = 22;
const tree = {
  box: document.getElementById("tree"),
  space: el("div", { role: "presentation", style: "position:relative" }),
  rows: [],
  here: 0,
  open: new Set(),

  start() {
    this.box.append(this.space);
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.space.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (!row) return;
      this.here = Number(row.dataset.at);
      if (event.target.closest(".caret")) this.toggle(this.here);
      else this.enter();
      this.box.focus({ preventScroll: true });
    });
    this.space.addEventListener("dblclick", (event) => {
      const row = event.target.closest(".row");
      if (row && !event.target.closest(".caret")) this.toggle(Number(row.dataset.at));
    });
  },

  show(nodes, open) {
    this.open = open;
    this.rows = [];
    this.here = 0;
    this.insert(0, nodes, 0);
    this.box.scrollTop = 0;
    this.resize();
  },

  // Puts nodes, and what is open below them, before row `at`.
  insert(at, nodes, depth) {
    const rows = [];
    const add = (list, level) => {
      for (const node of list) {
        rows.push({ node, depth: level });
        if (node.kids && this.open.has(node.key)) add(node.kids(), level + 1);
      }
    };
    add(nodes, depth);
    this.rows = this.rows.slice(0, at).concat(rows, this.rows.slice(at));
  },

  toggle(at, wanted) {
    const { node, depth } = this.rows[at];
    const isOpen = this.open.has(node.key);
    if (!node.kids || wanted === isOpen) return;
    if (isOpen) {
      this.open.delete(node.key);
      let stop = at + 1;
      while (stop < this.rows.length && this.rows[stop].depth > depth) stop++;
      this.rows = this.rows.slice(0, at + 1).concat(this.rows.slice(stop));
    } else {
      this.open.add(node.key);
      this.insert(at + 1, node.kids(), depth + 1);
    }
    this.resize();
  },

  // Opens the way to a node: `keys` from the outermost on.
  reveal(keys) {
    let at = -1;
    for (const [level, key] of keys.entries()) {
      at = this.rows.findIndex((row, index) => index > at && row.depth === level && row.node.key === key);
      if (at < 0) return false;
      if (level + 1 < keys.length) this.toggle(at, true);
    }
    this.here = at;
    const top = at * ROW, height = this.box.clientHeight;
    if (top < this.box.scrollTop + ROW || top > this.box.scrollTop + height - 3 * ROW) this.box.scrollTop = top - height / 3;
    this.draw();
    return true;
  },

  move(to) {
    this.here = Math.max(0, Math.min(this.rows.length - 1, to));
    const top = this.here * ROW, height = this.box.clientHeight;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    if (top + ROW > this.box.scrollTop + height) this.box.scrollTop = top + ROW - height;
    this.draw();
  },

  enter() {
    const row = this.rows[this.here];
    this.draw();
    if (row && row.node.id !== NONE) follow(row.node.id, true);
    else if (row) this.toggle(this.here);
  },

  key(event) {
    const row = this.rows[this.here];
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const isOpen = row.node.kids && this.open.has(row.node.key);
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const keys = {
      ArrowDown: () => this.move(this.here + 1),
      ArrowUp: () => this.move(this.here - 1),
      PageDown: () => this.move(this.here + page),
      PageUp: () => this.move(this.here - page),
      Home: () => this.move(0),
      End: () => this.move(this.rows.length - 1),
      Enter: () => this.enter(),
      " ": () => this.toggle(this.here),
      ArrowRight: () => (row.node.kids && !isOpen ? this.toggle(this.here) : this.move(this.here + 1)),
      ArrowLeft: () => {
        if (isOpen) return this.toggle(this.here);
        let up = this.here;
        while (up > 0 && this.rows[up].depth >= row.depth) up--;
        this.move(up);
      },
    };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  },

  resize() {
    this.space.style.height = `${this.rows.length * ROW}px`;
    this.draw();
  },

  draw() {
    const from = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 8);
    const to = Math.min(this.rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + 8);
    const drawn = [];
    for (let at = from; at < to; at++) {
      const { node, depth } = this.rows[at];
      const isOpen = node.kids && this.open.has(node.key);
      const row = el("div", {
        class: at === this.here ? "row here" : "row", role: "treeitem", "aria-level": depth + 1,
        "aria-expanded": node.kids ? String(Boolean(isOpen)) : null, "aria-selected": String(at === this.here), "data-at": at,
        style: `top:${at * ROW}px;padding-left:${8 + depth * 16}px`,
      }, el("span", { class: "caret" }, node.kids ? (isOpen ? "▼" : "▶") : ""));
      row.append(...node.draw());
      drawn.push(row);
    }
    this.space.replaceChildren(...drawn);
  },
};
