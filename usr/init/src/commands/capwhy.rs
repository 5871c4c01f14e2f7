//! `caps why ADDRESS`: who can reach a physical address, and through which chain of capabilities.
//!
//! One walk over all capabilities keeps those that hold the address, and those that tell where they are: CNodes, dispatchers, page tables. Their
//! number is bounded ([`MOST`]), and with it init's memory.

use super::Context;
use crate::children::Running;
use alloc::vec::Vec;
use aos::cap::cap_direct_identify;
use aos::cap::kernel::next_cap;
use aos::exit::DomainName;
use aos::kpi::addr::PhysAddr;
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::{Error, ErrorCode, println};
use capgraph::{Entry, Graph, Held, NodeId, Place};
use core::fmt;

/// Most capabilities that are kept.
const MOST: usize = 6000;
/// Most virtual addresses of one mapping.
const MOST_ADDRESSES: usize = 16;

/// The command.
pub fn why(context: &Context<'_>, address: u64) -> u8 {
    let graph = match collect(address) {
        Ok(entries) => Graph::new(entries),
        Err(error) if error.contains(ErrorCode::SysCapNotFound) => {
            println!("the capabilities have changed while they were read; try again");
            return 1;
        }
        Err(error) if error.contains(ErrorCode::LibMallocFail) => {
            println!(
                "more than {MOST} CNodes, dispatchers and page tables: ask `./hake.sh capviz`"
            );
            return 1;
        }
        Err(error) => {
            println!("the kernel does not show its capabilities: {error}");
            return 1;
        }
    };
    let names = names(context);
    let teller = Teller {
        graph: &graph,
        names: &names,
        json: context.json,
    };
    let covering = graph.covering(PhysAddr(address));
    if covering.is_empty() {
        println!("no capability holds {address:#x}");
        return 1;
    }
    for (depth, id) in covering.into_iter().enumerate() {
        teller.capability(id, depth);
    }
    for id in graph.mappings_over(PhysAddr(address)) {
        teller.mapping(id, address);
    }
    0
}

/// Dispatchers by address.
fn names(context: &Context<'_>) -> Vec<(u64, Running)> {
    let domains = context.children.domains();
    let known = domains.filter_map(|domain| {
        let cap = cap_direct_identify(domain.dispatcher).ok()?;
        Some((cap.address(), domain))
    });
    known.collect()
}

fn collect(address: u64) -> Result<Vec<Entry>, Error> {
    let full = Error::new(ErrorCode::LibMallocFail);
    let mut entries = Vec::new();
    let mut cursor = None;
    while let Some(seen) = next_cap(cursor)? {
        cursor = Some(seen.slot);
        if !matters(&seen.cap, address) {
            continue;
        }
        if entries.len() >= MOST || entries.try_reserve(1).is_err() {
            return Err(full);
        }
        entries.push(Entry {
            slot: seen.slot,
            cap: seen.cap,
            facts: seen.facts,
        });
    }
    Ok(entries)
}

/// Whether it may hold the address, or tells where others are.
fn matters(cap: &Capability, address: u64) -> bool {
    let objtype = cap.objtype();
    if let Some(mapping) = cap.as_mapping() {
        let bytes = u64::from(mapping.source_pages) * BASE_PAGE_SIZE;
        let hangs_a_table = objtype.parent().is_some_and(ObjType::is_vnode);
        let reaches = address.checked_sub(mapping.base);
        return hangs_a_table || reaches.is_some_and(|offset| offset < bytes);
    }
    objtype.is_vnode()
        || matches!(
            objtype,
            ObjType::L1CNode | ObjType::L2CNode | ObjType::Dispatcher
        )
        || objtype.has_address() && (cap.address()..cap.end()).contains(&address)
}

/// A domain, as far as it is known.
struct Domain {
    dispatcher: u64,
    known: Option<(u32, DomainName)>,
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known {
            Some((pid, name)) => write!(f, "{name} (pid {pid})"),
            None => write!(f, "the domain of dispatcher {:#x}", self.dispatcher),
        }
    }
}

struct Teller<'a> {
    graph: &'a Graph,
    names: &'a [(u64, Running)],
    json: bool,
}

impl Teller<'_> {
    fn address(&self, id: NodeId) -> u64 {
        self.graph.get(id).map_or(0, |entry| entry.cap.address())
    }

    fn domain(&self, dispatcher: NodeId) -> Domain {
        let dispatcher = self.address(dispatcher);
        let mut names = self.names.iter();
        let known = names.find(|(address, _)| *address == dispatcher);
        Domain {
            dispatcher,
            known: known.map(|(_, domain)| (domain.pid, domain.name)),
        }
    }

    /// The domains that have it as that.
    fn users(&self, id: NodeId, wanted: Held) -> Vec<Domain> {
        let users = self.graph.users(id);
        let users = users.filter(|(_, held)| *held == wanted);
        users
            .map(|(dispatcher, _)| self.domain(dispatcher))
            .collect()
    }

    /// A capability and where it and its copies are.
    fn capability(&self, id: NodeId, depth: usize) {
        let Some(entry) = self.graph.get(id) else {
            return;
        };
        let (name, base, bytes) = (
            entry.cap.objtype().name(),
            entry.cap.address(),
            entry.cap.size(),
        );
        let indent = depth * 2;
        if !self.json {
            println!("{:indent$}{name} {base:#x} {bytes}", "");
        }
        for copy in self.graph.copies(id) {
            let rights = self.graph.get(copy).map(|entry| entry.cap.rights());
            let Some(rights) = rights else {
                continue;
            };
            for place in self.graph.places(copy) {
                self.place(&place, |place| {
                    if self.json {
                        println!(
                            "{{\"depth\":{depth},\"type\":\"{name}\",\"base\":{base},\"bytes\":{bytes},\
                             \"rights\":\"{rights}\",\"place\":\"{place}\"}}"
                        );
                    } else {
                        println!("{:indent$}  {rights} {place}", "");
                    }
                });
            }
        }
    }

    /// A place in words, once for each domain that has it.
    fn place(&self, place: &Place, tell: impl Fn(fmt::Arguments<'_>)) {
        match *place {
            Place::CSpace {
                root,
                addr,
                in_root,
            } => {
                let users = self.users(root, Held::CSpace);
                if users.is_empty() {
                    let root = self.address(root);
                    tell(format_args!(
                        "slot {addr} of the CSpace with root {root:#x}, which nobody uses"
                    ));
                }
                for domain in users {
                    match in_root {
                        true => tell(format_args!("{domain}: root slot {}", addr.l1())),
                        false => tell(format_args!("{domain}: slot {addr}")),
                    }
                }
            }
            Place::Loose { cnode, index } => {
                let cnode = self.address(cnode);
                tell(format_args!(
                    "slot {index} of the CNode at {cnode:#x}, which is in no CSpace"
                ));
            }
            Place::Dispatcher { dispatcher, held } => {
                let domain = self.domain(dispatcher);
                let what = match held {
                    Held::CSpace => "CSpace root",
                    Held::VSpace => "root page table",
                    Held::Frame => "dispatcher frame",
                };
                tell(format_args!("{domain}: its dispatcher holds it as {what}"));
            }
            Place::Kernel => tell(format_args!("the kernel")),
        }
    }

    /// Where a mapping shows the address.
    fn mapping(&self, id: NodeId, address: u64) {
        let Some(mapping) = self.graph.get(id).and_then(|entry| entry.cap.as_mapping()) else {
            return;
        };
        let offset = address.saturating_sub(mapping.base);
        for at in self.graph.mapped_at(id, MOST_ADDRESSES) {
            let seen = at.address.saturating_add(offset);
            let users = self.users(at.root, Held::VSpace);
            if users.is_empty() && !self.json {
                let root = self.address(at.root);
                println!("mapped at {seen:#x} below the page table {root:#x}, which nobody uses");
            }
            for domain in users {
                if self.json {
                    println!("{{\"mapped\":{seen},\"place\":\"{domain}\"}}");
                } else {
                    println!("mapped at {seen:#x} of {domain}");
                }
            }
        }
    }
}
