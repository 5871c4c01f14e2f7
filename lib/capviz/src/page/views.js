// The lists on the left: derivation, CSpaces, address spaces, what was found.
const whoOf = (id) => {
  const owner = ownerOf(id);
  if (owner < 0 && owner !== OWN.shared) return null;
  const names = reachers(id).map((domain) => domain.label).join(", ");
  return el("span", { class: "who", style: `background:${ownerColour(owner)}`, title: names }, owner === OWN.shared ? plural(reachers(id).length, "domain") : ownerName(owner));
};
const capParts = (id) => [
  dot(id), el("span", { class: "kind" }, typeShown(id)), el("span", {}, nameOf(id) || short(id)),
  copyCount(id) > 1 ? el("span", { class: "dim" }, `×${copyCount(id)}`) : null,
].filter((part) => part);

const objectNode = (id) => ({
  key: `o${id}`, id,
  kids: kids(id).length ? () => kids(id).map(objectNode) : null,
  draw: () => [...capParts(id), whoOf(id), below[id] ? el("span", { class: "end" }, `${count(below[id])} below`) : null].filter((part) => part),
});
const heading = (key, text, note, list) => ({
  key, id: NONE, kids: list.length ? () => list : null,
  draw: () => [el("span", { class: "kind" }, text), el("span", { class: "end" }, note)],
});

const slotNode = (id, path) => {
  const inside = isType(id, "L2CNode") ? get(slotsOf, first(id)) : [];
  const key = `${path}/${D.index[id]}`;
  return {
    key, id,
    kids: inside.length ? () => inside.map((slot) => slotNode(slot, key)) : null,
    draw: () => [el("span", { class: "dim", style: "min-width:3.5ch;text-align:right" }, String(D.index[id])), ...capParts(id), el("span", { class: "dim" }, rights(id)),
      inside.length ? el("span", { class: "end" }, plural(inside.length, "slot") + " full") : null].filter((part) => part),
  };
};
const cspaceNodes = () => {
  const list = domains.filter((domain) => domain.cspace !== NONE).map((domain) => {
    const slots = get(slotsOf, domain.cspace);
    const inside = slots.reduce((sum, id) => sum + 1 + (isType(id, "L2CNode") ? get(slotsOf, first(id)).length : 0), 0);
    return {
      key: `c${domain.number}`, id: domain.cspace, kids: slots.length ? () => slots.map((id) => slotNode(id, `c${domain.number}`)) : null,
      draw: () => [el("span", { class: "who", style: `background:${domainColour(domain.number)}` }, domain.label), el("span", { class: "dim" }, `root CNode ${hex(D.base[domain.cspace])}`), el("span", { class: "end" }, plural(inside, "capability").replace("capability", inside === 1 ? "capability" : "capabilities"))],
    };
  });
  const used = new Set(domains.map((domain) => domain.cspace));
  const loose = [...slotsOf.keys()].filter((id) => kind(id) === "cnode" && !used.has(id) && (isType(id, "L1CNode") || !inRoots(id).length));
  const nodes = loose.map((id) => ({
    key: `l${id}`, id, kids: () => get(slotsOf, id).map((slot) => slotNode(slot, `l${id}`)),
    draw: () => [...capParts(id), el("span", { class: "end" }, plural(get(slotsOf, id).length, "slot") + " full")],
  }));
  return nodes.length ? [...list, heading("loose", "CNodes that nobody runs in", count(nodes.length), nodes)] : list;
};

const pageNode = (page, path) => ({
  key: `${path}@${page.va}/${page.mapping.id}`, id: page.mapping.id, kids: null,
  draw: () => [el("span", {}, hex(page.va).padEnd(16)), el("span", { class: "dim", style: "min-width:8ch;text-align:right" }, bytes(page.mapping.bytes)),
    el("span", { class: "dim" }, "→"), el("span", { style: "color:var(--frame)" }, hex(D.base[page.mapping.id])), el("span", { class: "dim" }, `${typeShown(page.mapping.id).replace(" mapping", "")} ${rights(page.mapping.id).slice(0, 3)}`)],
});
const vspaceNodes = () => [...new Set([...byVspace.keys(), ...pagesOf.keys()])].map((root) => {
  const pages = get(pagesOf, root), users = get(byVspace, root);
  return {
    key: `v${root}`, id: root, kids: pages.length ? () => pages.map((page) => pageNode(page, `v${root}`)) : null,
    draw: () => [...users.map((domain) => el("span", { class: "who", style: `background:${domainColour(domain.number)}` }, domain.label)),
      el("span", { class: "dim" }, `${users.length ? "" : "nobody's "}root table ${hex(D.base[root])}`),
      el("span", { class: "end" }, `${bytes(pages.reduce((sum, page) => sum + page.mapping.bytes, 0))} in ${plural(pages.length, "mapping")}`)],
  };
});

const groupOf = (root) => (kind(root) === "ram" ? (below[root] ? "ram" : "free") : D.size[root] > 0 || D.base[root] ? "boot" : "authority");
const derivationNodes = () => {
  const groups = new Map();
  for (const id of roots) put(groups, groupOf(id), id);
  const sum = (list) => list.reduce((total, id) => total + below[id] + 1, 0);
  return [
    ["ram", "Memory that things are made from"],
    ["boot", "Made at boot, or left when its origin went"],
    ["authority", "Authority without memory"],
    ["free", "Memory that nothing is made from"],
  ].map(([key, name]) => heading(key, name, plural(sum(get(groups, key)), "object"), get(groups, key).map(objectNode))).filter((node) => node.kids);
};

const views = [
  { name: "Derivation", note: count(objects.length), nodes: derivationNodes, open: new Set(["ram", "boot"]) },
  { name: "CSpaces", note: count(domains.length), nodes: cspaceNodes, open: new Set() },
  { name: "Address spaces", note: count(pagesOf.size), nodes: vspaceNodes, open: new Set() },
  { name: "Found", note: "", nodes: () => found.nodes, open: new Set() },
];
let view = 0;
const showView = (number) => {
  view = number;
  for (const [at, tab] of [...document.getElementById("tabs").children].entries()) tab.setAttribute("aria-selected", String(at === number));
  document.querySelector("#tabs button:last-child small").textContent = views[3].note;
  tree.show(views[number].nodes(), views[number].open);
};

// The way to a capability in the list on show, if it is there.
const wayTo = (id) => {
  const object = first(id);
  if (view === 0) {
    const list = chain(object), root = list[0];
    return [groupOf(root), ...list.map((at) => `o${at}`)];
  }
  if (view === 2 && mappings.has(object)) {
    const { at } = mappings.get(object);
    return at.length ? [`v${at[0].root}`, `v${at[0].root}@${at[0].va}/${object}`] : null;
  }
  return null;
};
