//! What the page is told.
//!
//! One column for each fact, one place in it for each capability, in database order. Numbers are below 2^53, so they are exact in the
//! page's arithmetic: physical and virtual addresses have 48 bits. -1 stands for none.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use capgraph::{Entry, Graph, Held, NodeId, Place};
use kpi::cap::{Capability, ObjType};

use crate::dump::Dump;
use crate::json::{List, Quoted};

/// Most virtual addresses of one mapping that the page is told.
const MOST_ADDRESSES: usize = 64;
/// What JavaScript's numbers hold exactly.
const EXACT: u64 = 1 << 53;

/// A dispatcher and what it runs on.
struct Domain {
    dispatcher: NodeId,
    cspace: Option<NodeId>,
    vspace: Option<NodeId>,
    pid: Option<u64>,
    name: String,
}

/// Sets of domains, each kept once.
#[derive(Default)]
struct Sets {
    known: BTreeMap<Vec<usize>, usize>,
    list: Vec<Vec<usize>>,
}

impl Sets {
    fn number(&mut self, mut set: Vec<usize>) -> usize {
        set.sort_unstable();
        set.dedup();
        let next = self.list.len();
        let number = *self.known.entry(set.clone()).or_insert(next);
        if number == next {
            self.list.push(set);
        }
        number
    }
}

/// The page's data.
pub(crate) fn json(dump: &Dump, about: &str) -> String {
    let graph = Graph::new(dump.entries.clone());
    let domains = domains(&graph, dump);
    let mut out = String::with_capacity(graph.entries().len() * 80 + 4096);
    // Writing to a string does not fail.
    let _ = write!(out, "{{\"about\":{}", Quoted(about));
    let names = ObjType::ALL.iter().map(|objtype| Quoted(objtype.name()));
    let _ = write!(out, ",\"types\":{}", List(names));
    let mut column = |name: &str, value: &dyn Fn(NodeId, &Entry) -> i64| {
        let rows = graph.ids().zip(graph.entries());
        let values: Vec<_> = rows.map(|(id, entry)| value(id, entry)).collect();
        let _ = write!(out, ",\n\"{name}\":{}", List(values.iter()));
    };
    column("slot", &|_, entry| exact(entry.slot.0));
    column("type", &|_, entry| entry.cap.objtype() as i64);
    column("base", &|_, entry| exact(entry.cap.address()));
    column("size", &|_, entry| exact(entry.cap.size()));
    column("rights", &|_, entry| i64::from(entry.cap.rights().0));
    column("facts", &|_, entry| exact(entry.facts.0));
    column("first", &|id, _| place(Some(graph.first_copy(id))));
    column("parent", &|id, _| place(graph.parent(id)));
    let holder = |entry: &Entry| graph.holder(entry.slot);
    column("holder", &|_, entry| place(holder(entry).map(|(id, _)| id)));
    column("index", &|_, entry| {
        holder(entry).map_or(-1, |(_, index)| i64::from(index))
    });
    let mut sets = Sets::default();
    let reach = reach(&graph, &domains, &mut sets);
    column("reach", &|id, _| {
        reach.get(id.index()).map_or(-1, |set| *set as i64)
    });
    let sets = sets.list.iter().map(|set| List(set.iter()).to_string());
    let _ = write!(out, ",\n\"sets\":[{}]", sets.collect::<Vec<_>>().join(","));
    write_domains(&mut out, &domains);
    write_mappings(&mut out, &graph);
    write_notes(&mut out, &graph);
    out.push_str("}\n");
    out
}

fn exact(number: u64) -> i64 {
    number.min(EXACT) as i64
}

fn place(id: Option<NodeId>) -> i64 {
    id.map_or(-1, |id| id.index() as i64)
}

fn domains(graph: &Graph, dump: &Dump) -> Vec<Domain> {
    let mut list: Vec<_> = graph
        .dispatchers()
        .map(|dispatcher| {
            let base = graph.get(dispatcher).map_or(0, |entry| entry.cap.address());
            let known = dump.domains.iter().find(|known| known.dispatcher == base);
            Domain {
                dispatcher,
                cspace: None,
                vspace: None,
                pid: known.map(|known| known.pid),
                name: known.map_or_else(|| format!("domain at {base:#x}"), |d| d.name.clone()),
            }
        })
        .collect();
    for id in graph.ids() {
        if let [
            Place::Dispatcher {
                dispatcher,
                held: held @ (Held::CSpace | Held::VSpace),
            },
        ] = graph.places(id)[..]
            && let Some(domain) = list.iter_mut().find(|d| d.dispatcher == dispatcher)
        {
            let what = Some(graph.first_copy(id));
            match held {
                Held::CSpace => domain.cspace = what,
                _ => domain.vspace = what,
            }
        }
    }
    list.sort_by_key(|domain| (domain.pid.is_none(), domain.pid, domain.dispatcher));
    list
}

/// For each capability, the domains that have it or a copy of it, or a mapping of it: a number of `sets`.
fn reach(graph: &Graph, domains: &[Domain], sets: &mut Sets) -> Vec<usize> {
    let by = |key: fn(&Domain) -> Option<NodeId>| {
        let mut by: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for (number, domain) in domains.iter().enumerate() {
            if let Some(key) = key(domain) {
                by.entry(key).or_default().push(number);
            }
        }
        by
    };
    let by_cspace = by(|domain| domain.cspace);
    let by_vspace = by(|domain| domain.vspace);
    let by_dispatcher = by(|domain| Some(domain.dispatcher));
    let mut reach: Vec<Vec<usize>> = vec![Vec::new(); graph.entries().len()];
    let mut add = |id: NodeId, who: Option<&Vec<usize>>| {
        if let Some((place, who)) = reach.get_mut(id.index()).zip(who) {
            place.extend(who);
        }
    };
    for id in graph.ids() {
        let first = graph.first_copy(id);
        for place in graph.places(id) {
            match place {
                Place::CSpace { root, .. } => add(first, by_cspace.get(&root)),
                Place::Dispatcher { dispatcher, .. } => add(first, by_dispatcher.get(&dispatcher)),
                Place::Loose { .. } | Place::Kernel => {}
            }
        }
        if id == first {
            for mapped in graph.mapped_at(id, MOST_ADDRESSES) {
                add(id, by_vspace.get(&mapped.root));
                add(graph.parent(id).unwrap_or(id), by_vspace.get(&mapped.root));
            }
        }
    }
    // Copies reach what the first does.
    let numbers: Vec<_> = reach.into_iter().map(|set| sets.number(set)).collect();
    graph
        .ids()
        .filter_map(|id| numbers.get(graph.first_copy(id).index()).copied())
        .collect()
}

fn write_domains(out: &mut String, domains: &[Domain]) {
    let rows = domains.iter().map(|domain| {
        format!(
            "{{\"pid\":{},\"name\":{},\"dispatcher\":{},\"cspace\":{},\"vspace\":{}}}",
            domain.pid.map_or(-1, exact),
            Quoted(&domain.name),
            place(Some(domain.dispatcher)),
            place(domain.cspace),
            place(domain.vspace)
        )
    });
    let _ = write!(
        out,
        ",\n\"domains\":{}",
        List(rows.collect::<Vec<_>>().iter())
    );
}

/// Mappings: capability, table, level, first entry, entries, then root table and virtual address, as often as it appears.
fn write_mappings(out: &mut String, graph: &Graph) {
    let rows = graph.ids().filter_map(|id| {
        let table = graph.table(id).filter(|_| graph.first_copy(id) == id)?;
        let mut row = vec![
            place(Some(id)),
            place(Some(table.table)),
            i64::from(table.level),
            i64::from(table.entry),
            i64::from(table.count),
        ];
        for mapped in graph.mapped_at(id, MOST_ADDRESSES) {
            row.extend([place(Some(mapped.root)), exact(mapped.address)]);
        }
        Some(List(row.iter()).to_string())
    });
    let rows: Vec<_> = rows.collect();
    let _ = write!(out, ",\n\"mappings\":{}", List(rows.iter()));
}

/// What else tells capabilities of one type apart, in words.
fn write_notes(out: &mut String, graph: &Graph) {
    let rows = graph.ids().zip(graph.entries()).filter_map(|(id, entry)| {
        let note = note(&entry.cap)?;
        Some(format!("\"{}\":{}", id.index(), Quoted(&note)))
    });
    let rows: Vec<_> = rows.collect();
    let _ = write!(out, ",\n\"notes\":{{{}}}", rows.join(","));
}

fn note(cap: &Capability) -> Option<String> {
    if let Some(endpoint) = cap.as_end_point_lmp() {
        return Some(match endpoint.epbuflen {
            0 => "no buffer yet".into(),
            words => format!(
                "buffer of {words} words at {:#x} of the dispatcher's frame",
                endpoint.epoffset
            ),
        });
    }
    if let Some(vector) = cap.as_irq_dest() {
        return Some(format!("vector {} of core {}", vector.vector, vector.cpu));
    }
    if let Some(source) = cap.as_irq_src() {
        return Some(format!(
            "interrupts {} to {}",
            source.vec_start, source.vec_end
        ));
    }
    if let Some(id) = cap.as_id() {
        return Some(format!("number {} of core {}", id.core_local_id, id.coreid));
    }
    let domain = cap.as_domain()?;
    Some(format!(
        "number {} of core {}",
        domain.core_local_id, domain.coreid
    ))
}
