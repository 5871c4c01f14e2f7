//! Reading nodes: properties, cells, and addresses as the CPU sees them.

use dtoolkit::fdt::FdtNode;
use dtoolkit::{Node, Property};
use kpi::coredata::Region;

/// Deepest nesting that is looked at; a real tree has a handful.
const MAX_DEPTH: u32 = 16;

/// The bytes of a property.
pub fn property<'a>(node: FdtNode<'a>, name: &str) -> Option<&'a [u8]> {
    // Not `node.property`: its result borrows more than it needs to.
    node.properties()
        .find(|property| property.name() == name)
        .and_then(|property| property.value_as::<&'a [u8]>().ok())
}

/// A property that is one string, without its terminator.
pub fn text<'a>(node: FdtNode<'a>, name: &str) -> Option<&'a str> {
    let bytes = property(node, name)?;
    let end = bytes.iter().position(|&byte| byte == 0)?;
    core::str::from_utf8(bytes.get(..end)?).ok()
}

/// A property that is one cell.
pub fn word(node: FdtNode<'_>, name: &str) -> Option<u32> {
    Some(u32::from_be_bytes(property(node, name)?.try_into().ok()?))
}

/// The number that the first `count` cells make; `None` when there are fewer, none, or the number has more than 64 bits.
pub fn cells(bytes: &[u8], count: usize) -> Option<u64> {
    if count == 0 {
        return None;
    }
    bytes
        .get(..count.checked_mul(4)?)?
        .chunks_exact(4)
        .try_fold(0u64, |value, cell| {
            let cell = u32::from_be_bytes(cell.try_into().ok()?);
            (value >> 32 == 0).then_some(value << 32 | u64::from(cell))
        })
}

/// A bus: how the `reg` of its children is read, and where their addresses are for the CPU.
#[derive(Clone, Copy)]
pub struct Bus<'a> {
    address_cells: usize,
    size_cells: usize,
    /// `ranges` of the bus; for the root an empty one (same addresses). Without `ranges` nothing is reachable.
    ranges: Option<&'a [u8]>,
    parent: Option<&'a Bus<'a>>,
}

impl<'a> Bus<'a> {
    /// The bus whose addresses are the CPU's.
    pub fn root(node: FdtNode<'a>) -> Self {
        Self {
            ranges: Some(&[]),
            ..Self::below(node, None)
        }
    }

    fn below(node: FdtNode<'a>, parent: Option<&'a Bus<'a>>) -> Self {
        let count = |name, default| word(node, name).unwrap_or(default) as usize;
        Self {
            address_cells: count("#address-cells", 2),
            size_cells: count("#size-cells", 1),
            ranges: property(node, "ranges"),
            parent,
        }
    }

    /// The regions in the `reg` of `node`, a child of this bus, as the CPU sees them; `None` for those it cannot reach.
    pub fn registers<'b>(&'b self, node: FdtNode<'b>) -> impl Iterator<Item = Option<Region>> + 'b {
        let entry = (self.address_cells.saturating_add(self.size_cells))
            .saturating_mul(4)
            .max(4);
        property(node, "reg")
            .unwrap_or_default()
            .chunks_exact(entry)
            .map(|reg| {
                let region = Region {
                    base: cells(reg, self.address_cells)?,
                    bytes: cells(reg.get(4 * self.address_cells..)?, self.size_cells)?,
                };
                region.base.checked_add(region.bytes)?;
                self.translate(region)
            })
    }

    /// A region in this bus's addresses, in those of the CPU.
    fn translate(&self, region: Region) -> Option<Region> {
        let ranges = self.ranges?;
        let Some(parent) = self.parent else {
            return Some(region);
        };
        if ranges.is_empty() {
            return parent.translate(region);
        }
        let (here, above) = (self.address_cells, parent.address_cells);
        let entry = here.checked_add(above)?.checked_add(self.size_cells)?;
        ranges
            .chunks_exact(entry.checked_mul(4)?.max(4))
            .find_map(|range| {
                let base = cells(range, here)?;
                let target = cells(range.get(4 * here..)?, above)?;
                let bytes = cells(range.get(4 * (here + above)..)?, self.size_cells)?;
                let offset = region.base.checked_sub(base)?;
                let inside = offset.checked_add(region.bytes)? <= bytes;
                let base = target.checked_add(offset).filter(|_| inside)?;
                base.checked_add(region.bytes)?;
                parent.translate(Region { base, ..region })
            })
    }
}

/// Calls `action` with every node below `root` and the bus it is on, parents first.
pub fn visit<'a>(root: FdtNode<'a>, action: &mut dyn FnMut(FdtNode<'a>, &Bus<'_>)) {
    visit_children(root, &Bus::root(root), 0, action);
}

fn visit_children<'a>(
    node: FdtNode<'a>,
    bus: &Bus<'_>,
    depth: u32,
    action: &mut dyn FnMut(FdtNode<'a>, &Bus<'_>),
) {
    for child in node.children() {
        action(child, bus);
        // Most nodes have no children, and reading a bus's properties takes long.
        if depth < MAX_DEPTH && child.children().next().is_some() {
            visit_children(child, &Bus::below(child, Some(bus)), depth + 1, action);
        }
    }
}

/// Calls `action` with the node at `path` below `root`, if there is one, and the bus it is on.
pub fn descend<'a>(root: FdtNode<'a>, path: &str, action: &mut dyn FnMut(FdtNode<'a>, &Bus<'_>)) {
    descend_from(root, &Bus::root(root), path, 0, action);
}

fn descend_from<'a>(
    node: FdtNode<'a>,
    bus: &Bus<'_>,
    path: &str,
    depth: u32,
    action: &mut dyn FnMut(FdtNode<'a>, &Bus<'_>),
) {
    let path = path.trim_matches('/');
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let Some(child) = node.child(name) else {
        return;
    };
    if rest.is_empty() {
        action(child, bus);
    } else if depth < MAX_DEPTH {
        let below = Bus::below(child, Some(bus));
        descend_from(child, &below, rest, depth + 1, action);
    }
}
