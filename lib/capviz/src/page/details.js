// The right side: an overview, or all about one capability.
const right = document.getElementById("right");
const MOST = 100;
const link = (id, text) => el("a", { onclick: () => follow(id), tabindex: 0, role: "link" }, text || `${typeShown(id)} ${nameOf(id) || short(id)}`);
const title = (text, note) => el("h3", {}, text, note ? el("small", {}, note) : null);
const table = (heads, rows) => el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { class: head.startsWith("#") ? "num" : null }, head.replace("#", ""))))), el("tbody", {}, rows));
const line = (cells, options = {}) => el("tr", { class: [options.go !== undefined ? "go" : "", options.here ? "here" : ""].join(" "), onclick: options.go !== undefined ? (event) => { if (!event.target.closest("a")) follow(options.go); } : null },
  cells.map((cell) => (cell && cell.number !== undefined ? el("td", { class: "num" }, cell.number) : cell && cell.mono !== undefined ? el("td", { class: "mono" }, cell.mono) : el("td", {}, cell))));
// The first rows, and how many more there are.
const rowsOf = (list, make, more) => {
  const rows = list.slice(0, MOST).map(make);
  if (list.length > MOST) rows.push(el("tr", {}, el("td", { class: "dim", colspan: 9 }, `and ${count(list.length - MOST)} more${more || ""}`)));
  return rows;
};

const overview = () => {
  const rows = new Map();
  const row = (owner) => { if (!rows.has(owner)) rows.set(owner, { frame: 0, vnode: 0, cnode: 0, disp: 0, all: 0 }); return rows.get(owner); };
  for (const piece of pieces) {
    const size = piece.to - piece.from, to = row(ownerOf(piece.id));
    to.all += size;
    to[kind(piece.id)] += size;
  }
  for (const domain of domains) row(domain.number);
  const slots = new Map();
  for (let id = 0; id < N; id++) for (const { domain } of places(id)) if (domain) slots.set(domain.number, (slots.get(domain.number) || 0) + 1);
  const ordered = [...rows].sort((a, b) => (a[0] < 0) - (b[0] < 0) || (a[0] >= 0 ? a[0] - b[0] : b[1].all - a[1].all));
  const size = (number) => ({ number: number ? bytes(number) : "" });
  const owners = ordered.map(([owner, sum]) => line([
    el("span", {}, el("i", { class: "swatch", style: `background:${ownerColour(owner)}` }), ownerName(owner)), { number: owner >= 0 ? count(slots.get(owner) || 0) : "" },
    size(sum.frame), size(sum.vnode), size(sum.cnode), size(sum.all)], owner >= 0 ? { go: domains[owner].dispatcher } : {}));
  const types = new Map();
  for (let id = 0; id < N; id++) { const entry = types.get(D.type[id]) || { all: 0, objects: 0, some: id }; entry.all++; if (first(id) === id) entry.objects++; types.set(D.type[id], entry); }
  const kindRows = [...types].sort((a, b) => b[1].all - a[1].all).map(([type, entry]) => {
    const row = line([el("span", {}, el("i", { class: "swatch", style: `background:var(--${kindOfType[type]})` }), shown[type]), { number: count(entry.objects) }, { number: count(entry.all) }], { go: NONE });
    row.onclick = () => search(`type:${D.types[type]}`);
    return row;
  });
  const legend = el("div", { class: "legend" });
  legend.append(document.getElementById("legend").content.cloneNode(true));
  const card = (number, text) => el("div", { class: "card" }, el("b", {}, count(number)), el("span", {}, text));
  right.replaceChildren(
    el("h1", {}, "Who has what"),
    el("p", { class: "dim" }, "Every capability of this core at one moment. Click anything to follow it: to what it was made from, to its copies and who holds them, to where it is mapped."),
    el("div", { class: "cards" }, card(N, "capabilities"), card(objects.length, "objects"), card(domains.length, domains.length === 1 ? "domain" : "domains"), card(mappings.size, "mappings")),
    title("Memory by domain", "a piece counts for the one domain besides init that can reach it"),
    table(["", "#capabilities", "#frames", "#page tables", "#CNodes", "#all memory"], owners.slice(0, 40)),
    title("Types"), table(["", "#objects", "#with copies"], kindRows),
    title("How to read it"), legend);
  right.scrollTop = 0;
};

const mappedRow = (mapping) => (mapping.at.length ? mapping.at : [null]).map((way) => line([
  way ? el("span", { class: "pills" }, get(byVspace, way.root).map(pill), get(byVspace, way.root).length ? null : link(way.root, "an address space nobody runs in")) : el("span", { class: "dim" }, "in no address space"),
  { mono: way ? range(way.va, mapping.bytes) : "" }, { number: bytes(mapping.bytes) }, { mono: rights(mapping.id).slice(0, 3) },
  el("span", {}, link(mapping.table, `level ${mapping.level}`), ` entry ${mapping.entry}${mapping.count > 1 ? `–${mapping.entry + mapping.count - 1}` : ""}`),
], { go: mapping.id, here: mapping.id === first(selected) }));
const mappedTable = (list) => { const rows = list.slice(0, MOST).flatMap(mappedRow); if (list.length > MOST) rows.push(el("tr", {}, el("td", { class: "dim", colspan: 5 }, `and ${count(list.length - MOST)} more`))); return table(["domain", "virtual addresses", "#size", "rights", "page table"], rows); };

// Mappings that show it: its own, or those of the frames it lies in.
const seenThrough = (id) => {
  if (mappings.has(first(id))) return [mappings.get(first(id))];
  const own = mappingsOf(id);
  for (const up of chain(id).slice(0, -1)) for (const mapping of mappingsOf(up)) { const from = D.base[mapping.id]; if (from < end(id) && from + mapping.bytes > D.base[id]) own.push(mapping); }
  return own;
};

const special = (id) => {
  const object = first(id), parts = [];
  if (kind(id) === "cnode") {
    const slots = get(slotsOf, object), room = D.size[id] / 64;
    const users = get(byCspace, object);
    if (users.length) parts.push(title("Root of the CSpace of"), el("div", { class: "pills" }, users.map(pill)));
    parts.push(title("Slots", `${count(slots.length)} of ${count(room)} full`));
    parts.push(table(["#slot", "capability", "", "rights"], rowsOf(slots, (slot) => line([{ number: D.index[slot] }, el("span", {}, dot(slot), " ", typeShown(slot)), { mono: nameOf(slot) || short(slot) }, { mono: rights(slot) }], { go: slot }))));
  }
  if (kind(id) === "vnode") {
    const users = get(byVspace, object), list = get(entriesOf, object);
    if (users.length) parts.push(title("Address space of"), el("div", { class: "pills" }, users.map(pill)));
    parts.push(title("Entries", `${count(list.reduce((sum, mapping) => sum + mapping.count, 0))} of 512 in use`));
    parts.push(table(["#entry", "maps", "", "#size"], rowsOf(list, (mapping) => line([{ number: mapping.count > 1 ? `${mapping.entry}–${mapping.entry + mapping.count - 1}` : mapping.entry }, el("span", {}, dot(D.parent[mapping.id] === NONE ? mapping.id : D.parent[mapping.id]), " ", D.parent[mapping.id] === NONE ? "?" : typeShown(D.parent[mapping.id])), { mono: hex(D.base[mapping.id]) }, { number: bytes(mapping.bytes) }], { go: mapping.isPage ? mapping.id : D.parent[mapping.id] }))));
  }
  if (isType(id, "Dispatcher")) {
    const [domain] = get(byDispatcher, object);
    const held = get(slotsOf, object);
    parts.push(title("Runs with", held.length ? "" : "it is not set up"));
    if (held.length) parts.push(table(["", "object", ""], held.map((slot) => line([HELD[D.index[slot]], el("span", {}, dot(slot), " ", typeShown(slot)), { mono: short(slot) }], { go: first(slot) }))));
    if (domain) {
      const inside = []; for (let at = 0; at < N; at++) if (first(at) === at && reachers(at).includes(domain) && reachers(at).length === 1) inside.push(at);
      const all = pieces.filter((piece) => ownerOf(piece.id) === domain.number).reduce((sum, piece) => sum + piece.to - piece.from, 0);
      parts.push(title("Domain", domain.label), el("p", {}, `${bytes(all)} of memory are within its reach, and of nobody else but init. ${plural(inside.length, "object")} only it can reach.`));
    }
  }
  return parts;
};

const details = (id) => {
  const object = first(id), list = copies(id), up = chain(id);
  const seen = seenThrough(id), who = reachers(id), inside = kids(id);
  const mapping = mappings.get(object);
  const sub = [hasRange(id) ? `${bytes(D.size[id])}, ` : "", rightWords(id), ...flags(id).map((word) => `, ${word}`), D.notes[object] ? `, ${D.notes[object]}` : ""].join("");
  const counts = new Map();
  for (const kid of inside) counts.set(D.type[kid], (counts.get(D.type[kid]) || 0) + 1);
  const parts = [
    el("h1", {}, dot(id), typeShown(id), nameOf(id) ? el("span", {}, nameOf(id)) : null, el("code", {}, hasRange(id) ? range(D.base[id], D.size[id]) : D.base[id] ? hex(D.base[id]) : "")),
    el("p", { class: "dim" }, sub),
    title("Made from", up.length > 1 ? "" : "nothing that is still there"),
    el("ol", { class: "chain" }, up.map((at) => el("li", { class: at === object ? "here" : null }, dot(at), at === object ? `${typeShown(at)} ${short(at)}` : link(at), at === object && mapping && D.parent[object] !== NONE ? el("small", {}, `maps bytes from ${hex(D.base[at] - D.base[D.parent[object]])} on`) : null, below[at] ? el("small", {}, `${count(below[at])} below`) : null))),
    title("Copies and who holds them", plural(list.length, "slot")),
    who.length ? el("div", { class: "pills", style: "margin-bottom:6px" }, who.slice(0, 30).map(pill), who.length > 30 ? el("span", { class: "pill plain" }, `and ${who.length - 30} more`) : null) : null,
    table(["domain", "where", "slot at", "rights", ""], rowsOf(list.flatMap((copy) => places(copy).map((place) => ({ copy, place }))), ({ copy, place }) => line([
      place.domain ? pill(place.domain) : el("span", { class: "dim" }, "–"), place.link === NONE ? place.text : link(place.link, place.text), { mono: hex(D.slot[copy]) }, { mono: rights(copy) }, flags(copy).join(", ")], { go: copy, here: copy === id && list.length > 1 }))),
  ];
  if (seen.length) parts.push(title(mapping ? "Where it is" : "Mapped at", mapping ? `shows physical ${range(D.base[id], mapping.bytes)}` : plural(seen.length, "mapping")), mappedTable(seen));
  else if (kind(id) === "frame") parts.push(title("Mapped at", "nowhere"));
  parts.push(...special(id));
  const others = inside.filter((kid) => !mappings.has(kid));
  if (others.length) parts.push(title("Made of it", [...counts].sort((a, b) => b[1] - a[1]).map(([type, number]) => `${count(number)} ${shown[type]}`).join(", ")),
    table(["object", "", "#below", ""], rowsOf(others, (kid) => line([el("span", {}, dot(kid), " ", typeShown(kid)), { mono: nameOf(kid) || short(kid) }, { number: below[kid] ? count(below[kid]) : "" }, whoOf(kid)], { go: kid }), ": see the list on the left")));
  right.replaceChildren(...parts.filter((part) => part));
  right.scrollTop = 0;
};
