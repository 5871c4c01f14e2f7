// Physical memory as bars: all of it, and a part of it. Colours say who can reach it, or what it is.
const memory = {
  whole: document.getElementById("whole"),
  part: document.getElementById("window"),
  colours: "owner",
  low: pieces.length ? pieces[0].from : 0,
  high: pieces.length ? Math.max(...[pieces[pieces.length - 1].to]) : 1,
  from: 0, to: 1,

  start() {
    [this.from, this.to] = this.busy();
    for (const [id, by] of [["by-owner", "owner"], ["by-type", "type"]]) document.getElementById(id).onclick = () => {
      this.colours = by;
      document.getElementById("by-owner").setAttribute("aria-pressed", String(by === "owner"));
      document.getElementById("by-type").setAttribute("aria-pressed", String(by === "type"));
      this.draw();
    };
    new ResizeObserver(() => this.draw()).observe(this.part);
    const at = (event) => this.from + (this.to - this.from) * (event.offsetX / this.part.clientWidth);
    this.part.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(at(event), event.deltaY > 0 ? 1.25 : 0.8); }, { passive: false });
    let grip = null;
    this.part.addEventListener("pointerdown", (event) => { grip = { x: event.offsetX, from: this.from, to: this.to, moved: false }; this.part.setPointerCapture(event.pointerId); });
    this.part.addEventListener("pointermove", (event) => {
      if (!grip) return this.hover(event, at(event));
      if (Math.abs(event.offsetX - grip.x) > 3) grip.moved = true;
      if (grip.moved) { const by = (grip.x - event.offsetX) / this.part.clientWidth * (grip.to - grip.from); this.look(grip.from + by, grip.to + by); }
    });
    this.part.addEventListener("pointerup", (event) => {
      const clicked = grip && !grip.moved;
      grip = null;
      if (clicked) { const piece = this.piece(at(event)); if (piece) follow(piece.id); }
    });
    this.part.addEventListener("pointerleave", () => hideTip());
    this.part.addEventListener("keydown", (event) => {
      const step = (this.to - this.from) / 8, middle = (this.from + this.to) / 2;
      const keys = { ArrowLeft: () => this.look(this.from - step, this.to - step), ArrowRight: () => this.look(this.from + step, this.to + step), "+": () => this.zoom(middle, 0.7), "=": () => this.zoom(middle, 0.7), "-": () => this.zoom(middle, 1.4) };
      if (keys[event.key] && !event.altKey) { event.preventDefault(); keys[event.key](); }
    });
    this.whole.addEventListener("pointerdown", (event) => {
      const middle = this.low + (this.high - this.low) * (event.offsetX / this.whole.clientWidth), half = (this.to - this.from) / 2;
      this.look(middle - half, middle + half);
    });
  },

  // Where most objects are: between gaps of 16 MiB, the part with most pieces that are not free.
  busy() {
    const used = pieces.filter((piece) => kind(piece.id) !== "ram");
    if (!used.length) return [this.low, this.high];
    const groups = [];
    for (const piece of used) {
      const last = groups[groups.length - 1];
      if (last && piece.from - last[1] < 2 ** 24) { last[1] = piece.to; last[2]++; } else groups.push([piece.from, piece.to, 1]);
    }
    const best = groups.reduce((most, group) => (group[2] > most[2] ? group : most));
    const margin = (best[1] - best[0]) * 0.04;
    return [Math.max(this.low, best[0] - margin), Math.min(this.high, best[1] + margin)];
  },

  piece(address) {
    const at = lastUpTo(pieces, address, (piece) => piece.from);
    return at >= 0 && pieces[at].to > address ? pieces[at] : null;
  },

  look(from, to) {
    const width = Math.max(64 * 1024, Math.min(to - from, this.high - this.low));
    const middle = (from + to) / 2;
    this.from = Math.max(this.low, Math.min(this.high - width, middle - width / 2));
    this.to = this.from + width;
    this.draw();
  },

  zoom(around, by) {
    this.look(around - (around - this.from) * by, around + (this.to - around) * by);
  },

  // Brings an object into view, with some room around it.
  reveal(id) {
    if (!hasRange(id) || D.base[id] < this.low || D.base[id] >= this.high) return this.draw();
    const size = D.size[id], width = this.to - this.from;
    if (D.base[id] < this.from || end(id) > this.to || size < width / 600) {
      const room = Math.min(this.high - this.low, Math.max(size * 24, 512 * 1024));
      const middle = D.base[id] + size / 2;
      return this.look(middle - room / 2, middle + room / 2);
    }
    this.draw();
  },

  hover(event, address) {
    const piece = this.piece(address);
    if (!piece) return showTip(event, `${hex(Math.floor(address / 4096) * 4096)}\nno capability: the kernel's own memory`);
    const who = reachers(piece.id).map((domain) => domain.label).join(", ");
    showTip(event, `${typeShown(piece.id)} ${range(D.base[piece.id], D.size[piece.id])}\n${bytes(D.size[piece.id])}${kind(piece.id) === "ram" ? ", free" : who ? `, within reach of ${who}` : ""}`);
  },

  bar(canvas, from, to, marks) {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = css("--none");
    pen.fillRect(0, 0, width, height);
    const scale = width / (to - from);
    const kinds = Object.fromEntries(KINDS.map((name) => [name, name === "ram" ? css("--free") : css(`--${name}`)]));
    const owners = new Map();
    const colour = (id) => {
      if (this.colours === "type") return kinds[kind(id)];
      const owner = ownerOf(id);
      if (!owners.has(owner)) owners.set(owner, ownerColour(owner));
      return owners.get(owner);
    };
    // Free memory first, then the rest at least a pixel wide: small things are seen among large ones.
    for (const free of [true, false]) {
      let at = Math.max(0, lastUpTo(pieces, from, (piece) => piece.from));
      for (; at < pieces.length && pieces[at].from < to; at++) {
        const piece = pieces[at];
        if ((kind(piece.id) === "ram") !== free) continue;
        const x = (piece.from - from) * scale, w = (piece.to - piece.from) * scale;
        pen.fillStyle = colour(piece.id);
        pen.fillRect(x, 0, Math.max(w > 4 ? w - 0.7 : w, 1), height);
      }
    }
    marks(pen, (address) => (address - from) * scale, width, height);
  },

  draw() {
    const outline = (pen, x, height) => {
      if (selected === NONE || !hasRange(selected)) return;
      const left = x(D.base[selected]), width = Math.max(3, x(end(selected)) - left);
      pen.strokeStyle = css("--paper");
      pen.lineWidth = 4;
      pen.strokeRect(left, 1, width, height - 2);
      pen.strokeStyle = css("--ink");
      pen.lineWidth = 2;
      pen.strokeRect(left, 1, width, height - 2);
    };
    this.bar(this.whole, this.low, this.high, (pen, x, width, height) => {
      outline(pen, x, height);
      pen.strokeStyle = css("--link");
      pen.lineWidth = 2;
      pen.strokeRect(x(this.from), 1, Math.max(4, x(this.to) - x(this.from)), height - 2);
    });
    this.bar(this.part, this.from, this.to, (pen, x, width, height) => {
      outline(pen, x, height - 16);
      pen.fillStyle = css("--card");
      pen.fillRect(0, height - 16, width, 16);
      pen.fillStyle = css("--soft");
      pen.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace";
      const steps = Math.max(2, Math.floor(width / 130));
      let step = 4096;
      while ((this.to - this.from) / step > steps) step *= 2;
      for (let at = Math.ceil(this.from / step) * step; at < this.to; at += step) {
        pen.fillRect(x(at), height - 16, 1, 4);
        if (x(at) < width - 80) pen.fillText(hex(at), x(at) + 3, height - 4);
      }
    });
    document.getElementById("extent").textContent = `${bytes(this.high - this.low)}, of which below ${range(Math.floor(this.from), Math.ceil(this.to - this.from))} (${bytes(Math.round((this.to - this.from) / 4096) * 4096)})`;
    this.chips();
  },

  chips() {
    const sums = new Map();
    const key = (id) => (this.colours === "owner" ? ownerOf(id) : kind(id));
    let known = 0;
    for (const piece of pieces) { sums.set(key(piece.id), (sums.get(key(piece.id)) || 0) + piece.to - piece.from); known += piece.to - piece.from; }
    const name = (what) => (this.colours === "owner" ? ownerName(what) : KIND_NAMES[what]);
    const colour = (what) => (this.colours === "owner" ? ownerColour(what) : what === "ram" ? css("--free") : css(`--${what}`));
    const chip = (text, size, paint) => el("span", {}, el("i", { class: "swatch", style: `background:${paint}` }), text, " ", el("b", {}, bytes(size)));
    const list = [...sums].sort((a, b) => b[1] - a[1]), most = list.slice(0, 14);
    const rest = list.slice(14).reduce((sum, [, size]) => sum + size, 0);
    document.getElementById("chips").replaceChildren(...most.map(([what, size]) => chip(name(what), size, colour(what))), ...(rest ? [chip(`${list.length - 14} others`, rest, css("--soft"))] : []),
      ...(this.high - this.low > known ? [chip("the kernel's own, without capability", this.high - this.low - known, css("--none"))] : []));
  },
};

const tip = document.getElementById("tip");
const showTip = (event, text) => {
  tip.textContent = text;
  tip.hidden = false;
  tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${event.clientY + 16}px`;
};
const hideTip = () => { tip.hidden = true; };
