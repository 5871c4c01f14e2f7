// Search: words that all must hold. A number is an address: physical, virtual, or of a slot.
const found = { nodes: [] };
const parseNumber = (word) => {
  const clean = word.replace(/_/g, "");
  if (/^0x[0-9a-f]+$/i.test(clean)) return parseInt(clean, 16);
  if (/^[0-9]{3,}$/.test(clean)) return parseInt(clean, 10);
  if (/^(?=.*[0-9])[0-9a-f]{5,}$/i.test(clean)) return parseInt(clean, 16);
  return null;
};
const hit = (id, note) => ({ key: `f${id}/${note || ""}`, id, kids: null, draw: () => [...capParts(id), whoOf(id), note ? el("span", { class: "end" }, note) : null].filter((part) => part) });

// Everything at an address: objects around it, innermost first; the slot there; mappings that show it or stand at it.
const atAddress = (number) => {
  const around = covering(number).reverse();
  const physical = around.map((id, at) => hit(id, at ? "around it" : "innermost"));
  const slot = []; for (let id = 0; id < N; id++) if (D.slot[id] <= number && number < D.slot[id] + 64) slot.push(hit(id, "in the slot there"));
  const virtual = [];
  for (const [root, pages] of pagesOf) {
    const at = lastUpTo(pages, number, (page) => page.va);
    if (at >= 0 && number < pages[at].va + pages[at].mapping.bytes) virtual.push(hit(pages[at].mapping.id, `in ${get(byVspace, root).map((domain) => domain.label).join(", ") || "an address space"}`));
  }
  const seen = around.flatMap((id) => mappingsOf(id)).filter((mapping) => D.base[mapping.id] <= number && number < D.base[mapping.id] + mapping.bytes).map((mapping) => hit(mapping.id, "shows it"));
  return [["As a physical address", physical], ["Mappings that show it", seen], ["As a virtual address", virtual], ["As the address of a slot", slot]];
};

const TESTS = {
  mapped: (id) => mappingsOf(id).length > 0 || mappings.has(id),
  copies: (id) => copyCount(id) > 1,
  shared: (id) => ownerOf(id) === OWN.shared,
  deleting: (id) => flags(id).includes("being deleted") || flags(id).includes("half made"),
};
const wordTest = (word) => {
  const lower = word.toLowerCase();
  const [, key, value] = /^(\w+):(.*)$/.exec(lower) || [];
  if (key === "type") return (id) => typeName(id).toLowerCase() === value;
  if (key === "pid") { const domain = domains.find((one) => String(one.pid) === value); return (id) => reachers(id).includes(domain); }
  if (key === "domain") { const some = domains.filter((one) => one.name.toLowerCase() === value); return (id) => some.some((one) => reachers(id).includes(one)); }
  if (TESTS[lower]) return TESTS[lower];
  const types = D.types.map((name, type) => shown[type].toLowerCase().replace(" ", "").includes(lower) || name.toLowerCase().includes(lower));
  const some = domains.filter((one) => one.name.toLowerCase().includes(lower));
  return (id) => types[D.type[id]] || some.some((one) => first(one.dispatcher) === id || one.cspace === id || one.vspace === id || (reachers(id).includes(one) && reachers(id).length < domains.length && one !== init));
};

const search = (text) => {
  document.getElementById("query").value = text;
  const words = text.trim().split(/\s+/).filter((word) => word);
  const numbers = words.map(parseNumber).filter((number) => number !== null);
  const tests = words.filter((word) => parseNumber(word) === null).map(wordTest);
  const good = (id) => tests.every((test) => test(first(id)));
  let groups;
  if (numbers.length) groups = atAddress(numbers[0]).map(([name, hits]) => [name, hits.filter((one) => good(one.id))]);
  else groups = words.length ? [["Objects", objects.filter(good).map((id) => hit(id))]] : [];
  groups = groups.filter(([, hits]) => hits.length);
  const total = groups.reduce((sum, [, hits]) => sum + hits.length, 0);
  found.nodes = groups.map(([name, hits]) => heading(`g${name}`, name, count(hits.length), hits));
  views[3].open = new Set(found.nodes.map((node) => node.key));
  views[3].note = words.length ? count(total) : "";
  if (words.length && !total) found.nodes = [heading("nothing", `Nothing is found for “${text}”`, "try an address, a type, pid:1 or a name", [])];
  showView(words.length ? 3 : 0);
  tree.move(1);
  return total;
};
