//! Digesting a flattened device tree: of all it says, what booting needs.
//!
//! Two steps, so that the second can complain where somebody reads it: [`console`] finds the UART, [`machine`] everything
//! else. Both work on a tree that crate `dtoolkit` has validated, and read it with the Devicetree Specification's rules:
//! cells of the parent, addresses translated through every bus's `ranges`, `status`, defaults for what is missing.

mod bus;
#[cfg(test)]
mod tests;

use core::fmt;

use dtoolkit::Node;
use dtoolkit::fdt::{Fdt, FdtNode};
use kpi::coredata::{MAX_CORES, PsciConduit, Region};

use self::bus::{Bus, cells, descend, property, text, word};
use crate::regions::{RegionSet, TooManyRegions, between, inner_pages, outer_pages};

/// Most separate pieces of RAM: what `CoreData` has room for.
pub const MAX_RAM: usize = 16;
/// Most separate reserved regions.
pub const MAX_RESERVED: usize = 64;
/// Interrupt number that says "none known".
pub const NO_INTERRUPT: u32 = 0;
/// Addresses end here.
const ADDRESS_LIMIT: u64 = 1 << 48;

/// What is missing from or odd in a device tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TreeError {
    /// A node or property that must be there, by name.
    Missing(&'static str),
    /// A node or property that says something this system does not understand.
    Odd(&'static str),
    /// More cores than [`MAX_CORES`].
    TooManyCores,
    /// More regions than there is room for: of what, and how many.
    TooManyRegions(&'static str, usize),
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "the device tree has no {what}"),
            Self::Odd(what) => write!(f, "the device tree has an unusable {what}"),
            Self::TooManyCores => write!(f, "the device tree has more than {MAX_CORES} cores"),
            Self::TooManyRegions(what, limit) => {
                write!(f, "the device tree has more than {limit} regions of {what}")
            }
        }
    }
}

/// Names the set that is full.
fn full(what: &'static str) -> impl Fn(TooManyRegions) -> TreeError {
    move |error| TreeError::TooManyRegions(what, error.limit)
}

/// The console's UART.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uart {
    /// Its registers.
    pub registers: Region,
    /// Its interrupt number, [`NO_INTERRUPT`] if the tree does not say.
    pub interrupt: u32,
}

/// What the tree says, except about the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Machine<'a> {
    /// All RAM, whole pages.
    pub memory: RegionSet<MAX_RAM>,
    /// Memory that may not be used (`/reserved-memory`, `/memreserve/`), whole pages; the next included.
    pub reserved: RegionSet<MAX_RESERVED>,
    /// Memory that may not even be mapped (`no-map`), whole pages.
    pub no_map: RegionSet<MAX_RESERVED>,
    cores: [u64; MAX_CORES],
    cores_length: usize,
    /// How firmware is called.
    pub psci: PsciConduit,
    /// GIC distributor.
    pub gic_distributor: Region,
    /// GIC redistributors.
    pub gic_redistributor: Region,
    /// Interrupt number of the non-secure EL1 physical timer.
    pub timer_interrupt: u32,
    /// `/chosen/bootargs`.
    pub bootargs: &'a str,
}

impl Machine<'_> {
    /// MPIDR affinities of the cores that may be used.
    pub fn cores(&self) -> &[u64] {
        self.cores.get(..self.cores_length).unwrap_or_default()
    }
}

/// The UART that `/chosen/stdout-path` names; without one, the first PL011.
///
/// # Errors
/// [`TreeError::Missing`], [`TreeError::Odd`].
pub fn console(tree: Fdt<'_>) -> Result<Uart, TreeError> {
    let chosen = tree.find_node("/chosen");
    let path = chosen
        .and_then(|chosen| text(chosen, "stdout-path"))
        // Options follow a colon: "serial0:115200n8".
        .map(|path| path.split(':').next().unwrap_or(path))
        .map(|path| resolve_alias(tree, path));
    let mut found = None;
    match path {
        Some(path) => descend(tree.root(), path, &mut |node, bus| {
            found = Some(uart(node, bus));
        }),
        None => bus::visit(tree.root(), &mut |node, bus| {
            if found.is_none() && is_compatible(node, "arm,pl011") && is_usable(node) {
                found = Some(uart(node, bus));
            }
        }),
    }
    found.unwrap_or(Err(match path {
        Some(_) => TreeError::Odd("/chosen/stdout-path (no such node)"),
        None => TreeError::Missing("console (/chosen/stdout-path or an arm,pl011)"),
    }))
}

/// A path that does not start with a slash starts with an alias.
fn resolve_alias<'a>(tree: Fdt<'a>, path: &'a str) -> &'a str {
    if path.starts_with('/') {
        return path;
    }
    tree.find_node("/aliases")
        .and_then(|aliases| text(aliases, path))
        .unwrap_or(path)
}

fn uart(node: FdtNode<'_>, bus: &Bus<'_>) -> Result<Uart, TreeError> {
    if !is_compatible(node, "arm,pl011") {
        return Err(TreeError::Odd("console: it is not an arm,pl011"));
    }
    let registers = bus
        .registers(node)
        .next()
        .flatten()
        .ok_or(TreeError::Odd("reg of the console"))?;
    let interrupt = property(node, "interrupts").map_or(NO_INTERRUPT, interrupt);
    Ok(Uart {
        registers,
        interrupt,
    })
}

/// Everything but the console.
///
/// # Errors
/// Every [`TreeError`]. A missing PSCI node is none: the conduit is `None` then.
pub fn machine(tree: Fdt<'_>) -> Result<Machine<'_>, TreeError> {
    let root = tree.root();
    let mut machine = Machine {
        memory: memory(root)?,
        reserved: RegionSet::new(),
        no_map: RegionSet::new(),
        cores: [0; MAX_CORES],
        cores_length: 0,
        psci: PsciConduit::None,
        gic_distributor: between(0, 0),
        gic_redistributor: between(0, 0),
        timer_interrupt: NO_INTERRUPT,
        bootargs: tree
            .find_node("/chosen")
            .and_then(|chosen| text(chosen, "bootargs"))
            .unwrap_or_default(),
    };
    reserved(tree, &mut machine)?;
    cores(tree, &mut machine)?;
    devices(tree, &mut machine)?;
    Ok(machine)
}

fn memory(root: FdtNode<'_>) -> Result<RegionSet<MAX_RAM>, TreeError> {
    let mut memory = RegionSet::new();
    for node in root.children() {
        let is_memory =
            text(node, "device_type") == Some("memory") || node.name_without_address() == "memory";
        if !is_memory || !is_usable(node) {
            continue;
        }
        for region in Bus::root(root).registers(node) {
            let region = region.ok_or(TreeError::Odd("reg of a memory node"))?;
            if region.end() > ADDRESS_LIMIT {
                return Err(TreeError::Odd("memory node: RAM beyond 48 bits"));
            }
            memory.insert(inner_pages(region)).map_err(full("RAM"))?;
        }
    }
    if memory.as_slice().is_empty() {
        return Err(TreeError::Missing("memory"));
    }
    Ok(memory)
}

fn reserved(tree: Fdt<'_>, machine: &mut Machine<'_>) -> Result<(), TreeError> {
    let full = full("reserved memory");
    for entry in tree.memory_reservations() {
        let region = Region {
            base: entry.address(),
            bytes: entry.size(),
        };
        machine
            .reserved
            .insert(outer_pages(region))
            .map_err(&full)?;
    }
    let Some(parent) = tree.find_node("/reserved-memory") else {
        return Ok(());
    };
    for node in parent.children().filter(|&node| is_usable(node)) {
        // A node without `reg` asks an operating system for memory of its choice: nobody here does.
        for region in Bus::root(parent).registers(node) {
            let region = outer_pages(region.ok_or(TreeError::Odd("reg of reserved memory"))?);
            machine.reserved.insert(region).map_err(&full)?;
            if property(node, "no-map").is_some() {
                machine.no_map.insert(region).map_err(&full)?;
            }
        }
    }
    Ok(())
}

fn cores(tree: Fdt<'_>, machine: &mut Machine<'_>) -> Result<(), TreeError> {
    let parent = tree.find_node("/cpus").ok_or(TreeError::Missing("/cpus"))?;
    let address_cells = word(parent, "#address-cells").unwrap_or(1) as usize;
    for node in parent.children() {
        let is_core =
            text(node, "device_type") == Some("cpu") || node.name_without_address() == "cpu";
        if !is_core || !is_usable(node) {
            continue;
        }
        let affinity = property(node, "reg")
            .and_then(|reg| cells(reg, address_cells))
            .ok_or(TreeError::Odd("reg of a core"))?;
        *machine
            .cores
            .get_mut(machine.cores_length)
            .ok_or(TreeError::TooManyCores)? = affinity;
        machine.cores_length += 1;
    }
    if machine.cores_length == 0 {
        return Err(TreeError::Missing("core in /cpus"));
    }
    Ok(())
}

/// What the tree's devices are looked through for.
#[derive(Default)]
struct Found<'a> {
    /// Distributor, redistributors, and cells of an interrupt specifier.
    gic: Option<(Region, Region, usize)>,
    /// A GICv2 is there.
    older_gic: bool,
    timer: Option<FdtNode<'a>>,
    psci: Option<FdtNode<'a>>,
}

fn devices(tree: Fdt<'_>, machine: &mut Machine<'_>) -> Result<(), TreeError> {
    let mut result = Ok(());
    let mut found = Found::default();
    bus::visit(tree.root(), &mut |node, bus| {
        let Some(compatible) = property(node, "compatible") else {
            return;
        };
        let is = |name: &str| lists(compatible, name);
        if is("arm,gic-v3") && found.gic.is_none() && is_usable(node) {
            match gic(node, bus) {
                Ok(gic) => found.gic = Some(gic),
                Err(error) => result = Err(error),
            }
        } else if is("arm,cortex-a15-gic") || is("arm,gic-400") {
            found.older_gic = true;
        } else if is("arm,armv8-timer") && is_usable(node) {
            found.timer = Some(node);
        } else if (is("arm,psci-1.0") || is("arm,psci-0.2")) && is_usable(node) {
            found.psci = Some(node);
        }
    });
    result?;
    let (distributor, redistributor, cells_each) = found.gic.ok_or(if found.older_gic {
        TreeError::Odd("interrupt controller: GICv2; needed is GICv3 (QEMU: -M virt,gic-version=3)")
    } else {
        TreeError::Missing("interrupt controller (arm,gic-v3)")
    })?;
    machine.gic_distributor = distributor;
    machine.gic_redistributor = redistributor;
    let node = found
        .timer
        .ok_or(TreeError::Missing("timer (arm,armv8-timer)"))?;
    machine.timer_interrupt = timer(node, cells_each)?;
    machine.psci = found.psci.map_or(Ok(PsciConduit::None), psci)?;
    Ok(())
}

fn gic(node: FdtNode<'_>, bus: &Bus<'_>) -> Result<(Region, Region, usize), TreeError> {
    if word(node, "#redistributor-regions").unwrap_or(1) != 1 {
        return Err(TreeError::Odd(
            "interrupt controller: only one region of redistributors is supported",
        ));
    }
    let mut registers = bus.registers(node);
    let mut next = || {
        registers
            .next()
            .flatten()
            .filter(|region| region.bytes != 0 && region.end() <= ADDRESS_LIMIT)
            .ok_or(TreeError::Odd("reg of the interrupt controller"))
    };
    let cells_each = word(node, "#interrupt-cells").unwrap_or(3);
    if !(3..=8).contains(&cells_each) {
        return Err(TreeError::Odd(
            "#interrupt-cells of the interrupt controller",
        ));
    }
    Ok((next()?, next()?, cells_each as usize))
}

/// Interrupt number of the non-secure EL1 physical timer.
fn timer(node: FdtNode<'_>, cells_each: usize) -> Result<u32, TreeError> {
    // Without names the order is: secure physical, non-secure physical, virtual, hypervisor.
    let index = match property(node, "interrupt-names") {
        Some(names) => names
            .split(|&byte| byte == 0)
            .position(|name| name == b"phys"),
        None => Some(1),
    };
    let specifiers = property(node, "interrupts").unwrap_or_default();
    index
        .and_then(|index| specifiers.chunks_exact(4 * cells_each).nth(index))
        .map(interrupt)
        .filter(|interrupt| (16..32).contains(interrupt))
        .ok_or(TreeError::Odd("interrupts of the timer"))
}

fn psci(node: FdtNode<'_>) -> Result<PsciConduit, TreeError> {
    match text(node, "method") {
        Some("hvc") => Ok(PsciConduit::Hvc),
        Some("smc") => Ok(PsciConduit::Smc),
        _ => Err(TreeError::Odd("method of PSCI")),
    }
}

/// The GIC's number of an interrupt, given a specifier; [`NO_INTERRUPT`] for a kind that is not understood.
fn interrupt(specifier: &[u8]) -> u32 {
    let cell = |index: usize| specifier.get(4 * index..).and_then(|rest| cells(rest, 1));
    match (cell(0), cell(1)) {
        // Shared: from 32 on; private: from 16 on.
        (Some(0), Some(number @ 0..988)) => number as u32 + 32,
        (Some(1), Some(number @ 0..16)) => number as u32 + 16,
        _ => NO_INTERRUPT,
    }
}

fn is_compatible(node: FdtNode<'_>, name: &str) -> bool {
    lists(property(node, "compatible").unwrap_or_default(), name)
}

/// Whether a list of strings has `name`.
fn lists(list: &[u8], name: &str) -> bool {
    list.split(|&byte| byte == 0)
        .any(|entry| entry == name.as_bytes())
}

/// `status` is missing or okay.
fn is_usable(node: FdtNode<'_>) -> bool {
    matches!(text(node, "status"), None | Some("okay" | "ok"))
}
