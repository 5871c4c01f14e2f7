//! Trees as firmware gives them, trees with something wrong, and noise.

use super::*;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use proptest::prelude::*;

fn node(name: &str) -> DeviceTreeNode {
    DeviceTreeNode::builder(name).unwrap().build()
}

/// Building trees in a line or two.
trait Build {
    fn with(self, name: &str, value: &[u8]) -> Self;
    fn cells(self, name: &str, cells: &[u32]) -> Self;
    fn text(self, name: &str, text: &str) -> Self;
    fn holding(self, child: DeviceTreeNode) -> Self;
}

impl Build for DeviceTreeNode {
    fn with(mut self, name: &str, value: &[u8]) -> Self {
        self.add_property(DeviceTreeProperty::new(name, value).unwrap());
        self
    }

    fn cells(self, name: &str, cells: &[u32]) -> Self {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.with(name, &bytes)
    }

    /// Several strings are separated by `|`.
    fn text(self, name: &str, text: &str) -> Self {
        self.with(name, format!("{}\0", text.replace('|', "\0")).as_bytes())
    }

    fn holding(mut self, child: DeviceTreeNode) -> Self {
        self.add_child(child);
        self
    }
}

fn blob(children: Vec<DeviceTreeNode>) -> Vec<u8> {
    let mut tree = DeviceTree::new();
    tree.root = children.into_iter().fold(
        node("")
            .cells("#address-cells", &[2])
            .cells("#size-cells", &[2]),
        Build::holding,
    );
    tree.to_dtb()
}

fn core(affinity: u32) -> DeviceTreeNode {
    node(&format!("cpu@{affinity:x}"))
        .text("device_type", "cpu")
        .cells("reg", &[affinity])
}

fn cpus(cores: impl IntoIterator<Item = DeviceTreeNode>) -> DeviceTreeNode {
    cores.into_iter().fold(
        node("cpus")
            .cells("#address-cells", &[1])
            .cells("#size-cells", &[0])
            .holding(node("cpu-map")),
        Build::holding,
    )
}

fn timer_node() -> DeviceTreeNode {
    node("timer")
        .text("compatible", "arm,armv8-timer|arm,armv7-timer")
        .cells("interrupts", &[1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4])
}

fn gic_node() -> DeviceTreeNode {
    node("intc@8000000")
        .text("compatible", "arm,gic-v3")
        .cells("#interrupt-cells", &[3])
        .cells(
            "reg",
            &[0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0xf6_0000],
        )
}

fn uart_node() -> DeviceTreeNode {
    node("pl011@9000000")
        .text("compatible", "arm,pl011|arm,primecell")
        .cells("interrupts", &[0, 1, 4])
        .cells("reg", &[0, 0x900_0000, 0, 0x1000])
}

fn memory_node(base: u32, bytes: u32) -> DeviceTreeNode {
    node(&format!("memory@{base:x}"))
        .text("device_type", "memory")
        .cells("reg", &[0, base, 0, bytes])
}

/// Like QEMU's `virt`.
fn virt() -> Vec<DeviceTreeNode> {
    vec![
        node("psci")
            .text("compatible", "arm,psci-1.0|arm,psci-0.2|arm,psci")
            .text("method", "hvc"),
        memory_node(0x4000_0000, 0x2000_0000),
        uart_node(),
        gic_node(),
        cpus([core(0), core(1)]),
        timer_node(),
        node("chosen")
            .text("stdout-path", "/pl011@9000000")
            .text("bootargs", "loglevel=3"),
    ]
}

/// `virt` with the node of that name replaced.
fn virt_but(name: &str, replacement: Option<DeviceTreeNode>) -> Vec<u8> {
    let mut nodes = virt();
    let at = nodes
        .iter()
        .position(|node| node.name().split('@').next() == Some(name))
        .unwrap();
    nodes.splice(at..=at, replacement);
    blob(nodes)
}

#[test]
fn the_virt_machine_is_understood() {
    let bytes = blob(virt());
    let tree = Fdt::new(&bytes).unwrap();
    assert_eq!(
        console(tree),
        Ok(Uart {
            registers: between(0x900_0000, 0x900_1000),
            interrupt: 33
        })
    );
    let machine = machine(tree).unwrap();
    assert_eq!(
        machine.memory.as_slice(),
        [between(0x4000_0000, 0x6000_0000)]
    );
    assert_eq!(machine.cores(), [0, 1]);
    assert_eq!(machine.psci, PsciConduit::Hvc);
    assert_eq!(machine.gic_distributor, between(0x800_0000, 0x801_0000));
    assert_eq!(machine.gic_redistributor, between(0x80a_0000, 0x900_0000));
    assert_eq!(machine.timer_interrupt, 30);
    assert_eq!(machine.bootargs, "loglevel=3");
    assert!(machine.reserved.as_slice().is_empty());
}

#[test]
fn the_console_is_found_by_path_alias_or_kind() {
    let console_of = |chosen: DeviceTreeNode, alias: &str| {
        let mut nodes = virt();
        nodes.pop();
        nodes.push(node("aliases").text("serial0", alias));
        nodes.push(chosen);
        let bytes = blob(nodes);
        console(Fdt::new(&bytes).unwrap()).map(|uart| uart.registers.base)
    };
    let path = "/pl011@9000000";
    assert_eq!(console_of(node("chosen"), path), Ok(0x900_0000));
    for good in ["serial0", "serial0:115200n8", path, "/pl011@9000000:9600"] {
        assert_eq!(
            console_of(node("chosen").text("stdout-path", good), path),
            Ok(0x900_0000),
            "{good}"
        );
    }
    for bad in ["serial1", "/nothing", "/"] {
        let found = console_of(node("chosen").text("stdout-path", bad), path);
        assert!(matches!(found, Err(TreeError::Odd(_))), "{bad}: {found:?}");
    }
    let found = console_of(node("chosen").text("stdout-path", "/timer"), path);
    assert_eq!(
        found,
        Err(TreeError::Odd("console: it is not an arm,pl011"))
    );
}

#[test]
fn addresses_are_translated_through_every_bus() {
    // CPU 0x5a00_0000 = soc 0x1a00_0000 = bus 0x0.
    let uart = node("serial@60000")
        .text("compatible", "arm,pl011")
        .cells("reg", &[0x6_0000, 0x1000]);
    let inner = node("bus@1a000000")
        .cells("#address-cells", &[1])
        .cells("#size-cells", &[1])
        .cells(
            "ranges",
            &[0x10_0000, 0x1b00_0000, 0x1000, 0, 0x1a00_0000, 0x10_0000],
        )
        .holding(uart);
    let soc = node("soc")
        .cells("#address-cells", &[1])
        .cells("#size-cells", &[1])
        .cells("ranges", &[0, 0, 0x4000_0000, 0x4000_0000])
        .holding(inner.clone());
    let bytes = blob(vec![soc]);
    let uart = console(Fdt::new(&bytes).unwrap()).unwrap();
    assert_eq!(uart.registers, between(0x5a06_0000, 0x5a06_1000));
    assert_eq!(uart.interrupt, NO_INTERRUPT);

    // A bus without `ranges` cannot be reached.
    let closed = node("soc")
        .cells("#address-cells", &[1])
        .cells("#size-cells", &[1])
        .holding(inner);
    let bytes = blob(vec![closed]);
    let found = console(Fdt::new(&bytes).unwrap());
    assert_eq!(found, Err(TreeError::Odd("reg of the console")));
}

#[test]
fn reserved_memory_is_kept_apart_and_no_map_named() {
    let mut nodes = virt();
    let parent = node("reserved-memory")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .with("ranges", &[]);
    nodes.push(
        parent
            .holding(
                node("firmware@50000000")
                    .cells("reg", &[0, 0x5000_0000, 0, 0x1800])
                    .with("no-map", &[]),
            )
            .holding(node("log@51000000").cells("reg", &[0, 0x5100_0000, 0, 0x1000]))
            .holding(
                node("gone@52000000")
                    .cells("reg", &[0, 0x5200_0000, 0, 0x1000])
                    .text("status", "disabled"),
            )
            .holding(node("pool").cells("size", &[0, 0x10_0000])),
    );
    nodes.push(memory_node(0x8000_0000, 0x1000_0000));
    let bytes = blob(nodes);
    let machine = machine(Fdt::new(&bytes).unwrap()).unwrap();
    assert_eq!(
        machine.no_map.as_slice(),
        [between(0x5000_0000, 0x5000_2000)]
    );
    assert_eq!(
        machine.reserved.as_slice(),
        [
            between(0x5000_0000, 0x5000_2000),
            between(0x5100_0000, 0x5100_1000)
        ]
    );
    assert_eq!(
        machine.memory.as_slice(),
        [
            between(0x4000_0000, 0x6000_0000),
            between(0x8000_0000, 0x9000_0000)
        ]
    );
}

#[test]
fn memory_reservations_count() {
    let mut tree = DeviceTree::new();
    tree.root = virt().into_iter().fold(
        node("")
            .cells("#address-cells", &[2])
            .cells("#size-cells", &[2]),
        Build::holding,
    );
    tree.memory_reservations = vec![dtoolkit::memreserve::MemoryReservation::new(0x4800_0008, 8)];
    let bytes = tree.to_dtb();
    let machine = machine(Fdt::new(&bytes).unwrap()).unwrap();
    assert_eq!(
        machine.reserved.as_slice(),
        [between(0x4800_0000, 0x4800_1000)]
    );
    assert!(machine.no_map.as_slice().is_empty());
}

#[test]
fn what_is_missing_or_odd_is_named() {
    let error = |bytes: Vec<u8>| machine(Fdt::new(&bytes).unwrap()).unwrap_err().to_string();
    assert_eq!(
        error(virt_but("memory", None)),
        "the device tree has no memory"
    );
    assert_eq!(
        error(virt_but("cpus", None)),
        "the device tree has no /cpus"
    );
    assert_eq!(
        error(virt_but("cpus", Some(cpus([])))),
        "the device tree has no core in /cpus"
    );
    assert_eq!(
        error(virt_but("cpus", Some(cpus((0..65).map(core))))),
        "the device tree has more than 64 cores"
    );
    assert_eq!(
        error(virt_but("timer", None)),
        "the device tree has no timer (arm,armv8-timer)"
    );
    assert_eq!(
        error(virt_but("intc", None)),
        "the device tree has no interrupt controller (arm,gic-v3)"
    );
    let older = node("intc@8000000").text("compatible", "arm,cortex-a15-gic");
    assert!(error(virt_but("intc", Some(older))).contains("gic-version=3"));
    let two = gic_node().cells("#redistributor-regions", &[2]);
    assert!(error(virt_but("intc", Some(two))).contains("one region of redistributors"));
    let psci = node("psci")
        .text("compatible", "arm,psci-1.0")
        .text("method", "mail");
    assert_eq!(
        error(virt_but("psci", Some(psci))),
        "the device tree has an unusable method of PSCI"
    );
    let far = node("memory").cells("reg", &[0xffff_ffff, 0, 0, 0x1000]);
    assert!(error(virt_but("memory", Some(far))).contains("48 bits"));
    let mut nodes = virt();
    nodes.extend((0..17).map(|index| memory_node(0x8000_0000 + index * 0x100_0000, 0x10_0000)));
    assert_eq!(
        error(blob(nodes)),
        "the device tree has more than 16 regions of RAM"
    );
}

#[test]
fn without_psci_there_is_no_conduit() {
    let bytes = virt_but("psci", None);
    assert_eq!(
        machine(Fdt::new(&bytes).unwrap()).unwrap().psci,
        PsciConduit::None
    );
}

#[test]
fn cores_that_are_out_of_order_do_not_count() {
    let broken = core(1).text("status", "fail");
    let bytes = virt_but("cpus", Some(cpus([core(0), broken, core(0x100)])));
    assert_eq!(
        machine(Fdt::new(&bytes).unwrap()).unwrap().cores(),
        [0, 0x100]
    );
}

#[test]
fn timers_with_names_and_wide_specifiers_are_found() {
    let named = node("timer")
        .text("compatible", "arm,armv8-timer")
        .text("interrupt-names", "virt|phys")
        .cells("interrupts", &[1, 11, 4, 0, 1, 14, 4, 0]);
    let mut nodes = virt();
    nodes.retain(|node| !["timer", "intc@8000000"].contains(&node.name()));
    nodes.push(named);
    nodes.push(gic_node().cells("#interrupt-cells", &[4]));
    let bytes = blob(nodes);
    assert_eq!(
        machine(Fdt::new(&bytes).unwrap()).unwrap().timer_interrupt,
        30
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Damage anywhere in the structure: an answer or an error, never a panic.
    #[test]
    fn damaged_trees_do_no_harm(damage in prop::collection::vec((40..1600usize, any::<u8>()), 1..6)) {
        let mut bytes = blob(virt());
        for (at, value) in damage {
            if let Some(place) = bytes.get_mut(at) {
                *place = value;
            }
        }
        if let Ok(tree) = Fdt::new(&bytes) {
            let _ = console(tree);
            if let Ok(machine) = machine(tree) {
                prop_assert!(machine.memory.as_slice().iter().all(|part| part.end() <= 1 << 48));
                prop_assert!(!machine.cores().is_empty());
            }
        }
    }

    /// Damage in cell values only, so that nearly every tree is well-formed and reaches our own code.
    #[test]
    fn odd_numbers_do_no_harm(
        reg in prop::collection::vec(prop_oneof![Just(0), Just(u32::MAX), any::<u32>()], 0..9),
        address in 0..6u32, size in 0..6u32, interrupts in prop::collection::vec(0..40u32, 0..7),
    ) {
        let odd = |name: &str, compatible: &str| node(name)
            .text("compatible", compatible)
            .text("device_type", "memory")
            .cells("reg", &reg)
            .cells("interrupts", &interrupts);
        let bus = node("bus")
            .cells("#address-cells", &[address])
            .cells("#size-cells", &[size])
            .cells("ranges", &reg)
            .holding(odd("a", "arm,pl011"))
            .holding(odd("b", "arm,gic-v3"));
        let mut nodes = virt();
        nodes.retain(|node| ["cpus", "psci"].contains(&node.name()));
        nodes.extend([bus, odd("c", "arm,armv8-timer"), odd("memory", "x")]);
        let bytes = blob(nodes);
        let tree = Fdt::new(&bytes).unwrap();
        let _ = console(tree);
        let _ = machine(tree);
    }
}
