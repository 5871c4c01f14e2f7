// Puts the parts together: navigation by the address bar's hash, keys, colours.
let selected = NONE;
const query = document.getElementById("query");
const show = (id, fromTree) => {
  selected = id;
  if (id === NONE) { overview(); memory.draw(); return; }
  details(id);
  memory.reveal(first(id));
  if (!fromTree) {
    let way = wayTo(id);
    if (!way && view !== 3) { showView(0); way = wayTo(id); }
    if (way) tree.reveal(way);
  }
};
let quiet = false;
const follow = (id, fromTree) => {
  const hash = id === NONE ? "#" : `#cap${id}`;
  quiet = fromTree === true;
  if (location.hash === hash || (hash === "#" && !location.hash)) show(id, fromTree); else location.hash = hash;
};
const fromHash = () => {
  const match = /^#cap(\d+)$/.exec(location.hash);
  show(match && Number(match[1]) < N ? Number(match[1]) : NONE, quiet);
  quiet = false;
};
const setTheme = (name) => {
  document.documentElement.classList.toggle("dark", name === "dark");
  tree.draw();
  if (selected === NONE) overview(); else details(selected);
  memory.draw();
};

document.getElementById("about").textContent = D.about;
document.getElementById("about").title = D.about;
document.getElementById("tabs").append(...views.map((one, number) => el("button", { role: "tab", onclick: () => showView(number) }, one.name, el("small", {}, one.note))));
if (window.matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.classList.add("dark");
document.getElementById("theme").onclick = () => setTheme(dark() ? "light" : "dark");
document.getElementById("home").onclick = (event) => { event.preventDefault(); query.value = ""; showView(0); follow(NONE); };
query.addEventListener("input", () => search(query.value));
query.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "ArrowDown") { event.preventDefault(); tree.box.focus(); if (event.key === "Enter") tree.enter(); }
  if (event.key === "Escape") { search(""); tree.box.focus(); }
});
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target === query) return;
  const number = Number(event.key);
  if (event.key === "/") { event.preventDefault(); query.focus(); query.select(); }
  else if (event.key === "Escape") { query.value = ""; showView(0); follow(NONE); }
  else if (event.key === "t") setTheme(dark() ? "light" : "dark");
  else if (number >= 1 && number <= views.length) showView(number - 1);
  else if (event.key === "Enter" && event.target.getAttribute("role") === "link") event.target.click();
});
const split = document.getElementById("split");
split.addEventListener("pointerdown", (event) => {
  split.setPointerCapture(event.pointerId);
  split.onpointermove = (move) => { document.getElementById("left").style.flexBasis = `${move.clientX}px`; };
  split.onpointerup = () => { split.onpointermove = null; };
});
window.addEventListener("hashchange", fromHash);
tree.start();
showView(0);
memory.start();
fromHash();
document.documentElement.dataset.ready = String(Math.round(performance.now() - began));
