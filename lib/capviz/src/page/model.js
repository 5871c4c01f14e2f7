"use strict";
// The data and what follows from it. Capabilities are numbers: places in database order. An object is its first copy.
const began = performance.now();
const D = JSON.parse(document.getElementById("data").textContent);
const N = D.type.length;
const NONE = -1;
const KINDS = ["ram", "frame", "mapping", "cnode", "vnode", "disp", "ep", "auth"];
const KIND_NAMES = { ram: "RAM, not used", frame: "frames", mapping: "mappings", cnode: "CNodes", vnode: "page tables", disp: "dispatchers", ep: "endpoints", auth: "authority" };

const kindOfType = D.types.map((name) => {
  if (name.endsWith("Mapping")) return "mapping";
  if (name.startsWith("VNode")) return "vnode";
  if (name.endsWith("CNode")) return "cnode";
  if (name === "RAM" || name === "PhysAddr") return "ram";
  if (name === "Frame" || name === "DevFrame" || name === "EndPointUMP") return "frame";
  if (name === "EndPointLMP") return "ep";
  if (name === "Dispatcher" || name === "KernelControlBlock") return "disp";
  return "auth";
});
const typeName = (id) => D.types[D.type[id]];
// As it is shown: VNode_AARCH64_l3_Mapping is the mapping of a VNode L3.
const shown = D.types.map((name) => name.replace("_AARCH64_l", " L").replace("_Mapping", " mapping"));
const typeShown = (id) => shown[D.type[id]];
const kind = (id) => kindOfType[D.type[id]];
const hasRange = (id) => D.size[id] > 1;
const end = (id) => D.base[id] + D.size[id];
const first = (id) => D.first[id];
const isType = (id, name) => id !== NONE && typeName(id) === name;
const get = (map, key) => map.get(key) || [];
const put = (map, key, value) => { const list = map.get(key); if (list) list.push(value); else map.set(key, [value]); };

// Objects, their copies and children; how many objects were made below each.
const copiesEnd = new Int32Array(N);
const objects = [];
const roots = [];
const kidsOf = new Map();
const below = new Int32Array(N);
for (let id = 0; id < N; id++) {
  copiesEnd[first(id)] = id + 1;
  if (first(id) !== id) continue;
  objects.push(id);
  if (D.parent[id] === NONE) roots.push(id); else put(kidsOf, D.parent[id], id);
}
for (let at = objects.length - 1; at >= 0; at--) {
  const id = objects[at], up = D.parent[id];
  if (up !== NONE) below[up] += below[id] + 1;
}
const kids = (id) => get(kidsOf, first(id));
const copies = (id) => { const list = []; for (let at = first(id); at < copiesEnd[first(id)]; at++) list.push(at); return list; };
const copyCount = (id) => copiesEnd[first(id)] - first(id);
const chain = (id) => { const list = [first(id)]; for (let up = D.parent[id]; up !== NONE; up = D.parent[up]) list.push(up); return list.reverse(); };

// Slots of objects that hold some, by slot number.
const slotsOf = new Map();
for (let id = 0; id < N; id++) if (D.holder[id] !== NONE) put(slotsOf, D.holder[id], id);
for (const list of slotsOf.values()) list.sort((a, b) => D.index[a] - D.index[b]);

// Where L2CNodes are in root CNodes.
const inRoots = (cnode) => copies(cnode).filter((at) => isType(D.holder[at], "L1CNode")).map((at) => ({ root: D.holder[at], l1: D.index[at] }));

// Domains by what they run on.
const domains = D.domains.map((domain, number) => ({ ...domain, number, label: domain.pid >= 0 ? `${domain.name} (${domain.pid})` : domain.name }));
const domainsOf = (key) => { const map = new Map(); for (const domain of domains) if (domain[key] !== NONE) put(map, domain[key], domain); return map; };
const byCspace = domainsOf("cspace"), byVspace = domainsOf("vspace"), byDispatcher = domainsOf("dispatcher");
const reachers = (id) => (D.reach[id] === NONE ? [] : D.sets[D.reach[id]].map((number) => domains[number]));
const init = domains.find((domain) => domain.pid === 1);

// A single answer to "whose is it": the one domain besides init that can reach it, init when nobody else can.
const OWN = { free: -1, shared: -2, nobody: -3 };
const ownerOf = (id) => {
  if (kind(id) === "ram") return OWN.free;
  const others = reachers(id).filter((domain) => domain !== init);
  if (others.length === 1) return others[0].number;
  if (others.length > 1) return OWN.shared;
  return reachers(id).length ? init.number : OWN.nobody;
};

// Mappings: where they are, and what tables and address spaces show.
const mappings = new Map();
const entriesOf = new Map();
const pagesOf = new Map();
for (const [id, table, level, entry, count, ...ways] of D.mappings) {
  const bytes = count * 4096 * 512 ** (3 - level);
  const at = [];
  for (let way = 0; way < ways.length; way += 2) at.push({ root: ways[way], va: ways[way + 1] });
  const mapping = { id, table, level, entry, count, bytes, at, isPage: level === 3 || !typeName(id).startsWith("VNode") };
  mappings.set(id, mapping);
  put(entriesOf, table, mapping);
  if (mapping.isPage) for (const { root, va } of at) put(pagesOf, root, { va, mapping });
}
for (const list of entriesOf.values()) list.sort((a, b) => a.entry - b.entry);
for (const list of pagesOf.values()) list.sort((a, b) => a.va - b.va);
const mappingsOf = (id) => kids(id).map((kid) => mappings.get(kid)).filter((mapping) => mapping && mapping.isPage);

// The last of a sorted list that is not behind `value`.
const lastUpTo = (list, value, key) => {
  let low = 0, high = list.length;
  while (low < high) { const middle = (low + high) >> 1; if (key(list[middle]) <= value) low = middle + 1; else high = middle; }
  return low - 1;
};
const withRange = (list) => list.filter(hasRange);
const rangeKids = new Map();
const rangesIn = (id) => { if (!rangeKids.has(id)) rangeKids.set(id, withRange(kids(id))); return rangeKids.get(id); };
const rangeRoots = withRange(roots);

// Objects around a physical address, outermost first.
const covering = (address) => {
  const found = [];
  for (let level = rangeRoots; ;) {
    const at = lastUpTo(level, address, (id) => D.base[id]);
    if (at < 0 || end(level[at]) <= address) return found;
    found.push(level[at]);
    level = rangesIn(level[at]);
  }
};

// Memory as pieces that do not overlap: the innermost object of each.
const pieces = [];
{
  const fill = (id, from, to) => { if (from < to) pieces.push({ from, to, id }); };
  const walk = (id) => {
    // Depth first without recursion: chains may be long.
    const stack = [{ id, at: D.base[id], next: 0 }];
    while (stack.length) {
      const top = stack[stack.length - 1], inside = rangesIn(top.id);
      if (top.next < inside.length) {
        const kid = inside[top.next++];
        fill(top.id, top.at, D.base[kid]);
        top.at = end(kid);
        stack.push({ id: kid, at: D.base[kid], next: 0 });
      } else {
        fill(top.id, top.at, end(top.id));
        stack.pop();
      }
    }
  };
  for (const id of rangeRoots) if (!typeName(id).startsWith("PhysAddr") && typeName(id) !== "DevFrame") walk(id);
}
