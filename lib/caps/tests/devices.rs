//! Device memory does not become memory of the kernel.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::RetypeArgs;
use errors::ErrorCode;
use kpi::cap::ObjType;
use support::{World, at, from_ram, slot};

#[test]
fn registers_become_device_frames_but_not_ram() {
    let mut world = World::new();
    let from_devices = |objtype| RetypeArgs {
        source: at(0, 1),
        ..from_ram(objtype, 4096, 1, 0, slot(0, 20))
    };
    assert_eq!(
        world.retype(from_devices(ObjType::Ram)),
        Err(ErrorCode::SysInvalidRetype)
    );
    world.retype(from_devices(ObjType::DevFrame)).unwrap();
}
