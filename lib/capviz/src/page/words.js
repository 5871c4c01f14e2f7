// Addresses, sizes and names as people read them.
const hex = (number) => "0x" + number.toString(16).replace(/\B(?=(.{4})+$)/g, "_");
const count = (number) => number.toLocaleString("en");
const UNITS = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [1024, "KiB"]];
const bytes = (number) => {
  for (const [unit, name] of UNITS) if (number >= unit) { const value = number / unit; return `${Number.isInteger(value) ? value : value.toFixed(1)} ${name}`; }
  return `${number} B`;
};
const range = (from, size) => `${hex(from)} – ${hex(from + size - 1)}`;
const RIGHTS = ["r", "w", "x", "g", "i"];
const rights = (id) => RIGHTS.map((letter, bit) => (D.rights[id] >> bit & 1 ? letter : "-")).join("");
const RIGHT_WORDS = ["read", "write", "execute", "grant", "identify"];
const rightWords = (id) => (D.rights[id] === 31 ? "all rights" : RIGHT_WORDS.filter((_, bit) => D.rights[id] >> bit & 1).join(", ") || "no rights");
const FLAGS = [[8, "locked"], [9, "being deleted"], [10, "copies elsewhere"], [11, "ancestors elsewhere"], [12, "descendants elsewhere"], [21, "in use by the kernel"], [22, "half made"]];
const flags = (id) => FLAGS.filter(([bit]) => Math.floor(D.facts[id] / 2 ** bit) % 2).map(([, word]) => word);
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : word.endsWith("y") ? "" : "s"}`;
const HELD = ["CSpace", "VSpace", "frame"];

// A capability in a few words.
const short = (id) => {
  if (mappings.has(first(id))) { const { at, bytes: size } = mappings.get(first(id)); return at.length ? `${hex(at[0].va)} (${bytes(size)})` : hex(D.base[id]); }
  if (hasRange(id)) return `${hex(D.base[id])}  ${bytes(D.size[id])}`;
  return D.base[id] ? hex(D.base[id]) : D.notes[id] || "";
};
const nameOf = (id) => { const [domain] = get(byDispatcher, first(id)); return domain ? domain.label : null; };

// Where a capability is: [{domain, text}], domain null when no domain can use that place.
const places = (id) => {
  const holder = D.holder[id], index = D.index[id];
  if (holder === NONE) return [{ domain: null, text: "in the kernel: its endpoint for notes", link: NONE }];
  if (isType(holder, "Dispatcher")) return get(byDispatcher, holder).map((domain) => ({ domain, text: `in the dispatcher: its ${HELD[index]}`, link: holder }));
  const inRoot = isType(holder, "L1CNode");
  const ways = inRoot ? [{ root: holder, l1: index }] : inRoots(holder);
  const list = [];
  for (const { root, l1 } of ways) {
    const text = inRoot ? `root slot ${l1}` : `slot ${l1}:${index}`;
    const users = get(byCspace, root);
    if (!users.length) list.push({ domain: null, text: `${text} of a CSpace that nobody runs in`, link: holder });
    for (const domain of users) list.push({ domain, text, link: holder });
  }
  return list.length ? list : [{ domain: null, text: `slot ${index} of a CNode that is in no CSpace`, link: holder }];
};

// Colours of domains: spread over the circle by the golden angle, init first.
const dark = () => document.documentElement.classList.contains("dark");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const domainColour = (number) => `hsl(${(212 + number * 137.508) % 360} ${dark() ? 52 : 58}% ${dark() ? 52 : 44}%)`;
const ownerColour = (owner) => (owner >= 0 ? domainColour(owner) : owner === OWN.free ? css("--free") : owner === OWN.shared ? css("--shared") : css("--none"));
const ownerName = (owner) => (owner >= 0 ? domains[owner].label : owner === OWN.free ? "free RAM" : owner === OWN.shared ? "several domains" : "no domain");

// Elements. Text is always text, never markup.
const el = (tag, attributes, ...content) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") node.onclick = value;
    else if (name === "style") node.style.cssText = value;
    else if (value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...content.flat().filter((part) => part !== null && part !== undefined && part !== ""));
  return node;
};
const dot = (id) => el("span", { class: "dot", style: `background:var(--${kind(id)})` });
const pill = (domain) => el("a", { class: "pill", style: `background:${domainColour(domain.number)}`, onclick: () => follow(domain.dispatcher) }, domain.label);
