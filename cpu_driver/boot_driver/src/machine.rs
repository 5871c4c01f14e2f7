//! The device tree, digested, and the console it names.

use bootplan::devicetree::{self, Machine, Uart};
use bootplan::regions::outer_pages;
use dtoolkit::fdt::Fdt;
use hal::cpu;
use hal::descriptor::MemoryType;
use kpi::addr::PhysAddr;
use kpi::coredata::{PsciConduit, Region};

use crate::console::{self, fail, say};
use crate::identity::Identity;

/// What the device tree says.
#[derive(Debug)]
pub struct Digest<'a> {
    /// Where it is.
    pub tree: Region,
    /// The console.
    pub uart: Uart,
    /// Everything else.
    pub plan: Machine<'a>,
}

/// Digests the device tree; the console is usable from here on.
pub fn digest<'a>(identity: &mut Identity<'_>, bytes: &'a [u8]) -> Digest<'a> {
    let tree = match Fdt::new(bytes) {
        Ok(tree) => tree,
        Err(error) => fail!("damaged device tree: {error}"),
    };
    let uart = match devicetree::console(tree) {
        Ok(uart) => uart,
        Err(error) => fail!("{error}"),
    };
    let registers = outer_pages(uart.registers);
    if !identity.is_mapped(registers.base)
        && let Err(error) = identity.map(registers, MemoryType::Device)
    {
        fail!("the console at {}: {error}", PhysAddr(registers.base));
    }
    console::use_uart(PhysAddr(uart.registers.base));
    let plan = match devicetree::machine(tree) {
        Ok(plan) => plan,
        Err(error) => fail!("{error}"),
    };
    let affinity = cpu::affinity();
    if !plan.cores().contains(&affinity) {
        fail!("the device tree does not list this core (affinity {affinity:#x})");
    }
    if plan.psci == PsciConduit::None {
        say!("the device tree has no PSCI: no power off, no reset, no further cores");
    }
    Digest {
        tree: Region {
            base: bytes.as_ptr().expose_provenance() as u64,
            bytes: bytes.len() as u64,
        },
        uart,
        plan,
    }
}
