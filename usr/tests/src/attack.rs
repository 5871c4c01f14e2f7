//! Taking away from a running domain what it runs on. The domain must be stopped at once and for good, and everybody else,
//! the kernel above all, must go on: the kernel holds real capabilities for what a dispatcher uses, so that losing one
//! is noticed.

use crate::harness::{Failure, Harness, Outcome, equal, that};
use crate::world::{Child, World, sleep};
use aos::cap::{CapRef, cap_delete, cap_direct_identify, cap_revoke};
use aos::kpi::addr::PhysAddr;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::ram::frame_alloc;
use core::time::Duration;

const SUITE: &str = "attack";

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "revoke the running L0 table", || {
        take(world, ObjType::VNodeAarch64L0)
    });
    harness.test(SUITE, "revoke the running dispatcher frame", || {
        take(world, ObjType::Frame)
    });
}

/// A domain that counts in a frame, and that frame.
fn victim(world: &World) -> Result<(Child, MappedFrame), Failure> {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let child = world.child("count", Some(frame))?;
    let view = MappedFrame::new(frame, PageFlags::READ)?;
    child.domain.start()?;
    sleep(Duration::from_millis(300));
    that(view.view().load(0) > Some(0), "the victim runs")?;
    Ok((child, view))
}

fn vital(child: &Child, objtype: ObjType) -> Result<CapRef, Failure> {
    let mut objects = child.domain.vital_objects().iter().copied();
    objects
        .find(|cap| cap_direct_identify(*cap).is_ok_and(|found| found.objtype() == objtype))
        .ok_or_else(|| Failure::new(objtype, "no such object"))
}

fn take(world: &World, objtype: ObjType) -> Outcome {
    let (child, view) = victim(world)?;
    let object = vital(&child, objtype)?;
    let capability = cap_direct_identify(object)?;
    cap_revoke(object)?;
    // Deleting our copy, the last one, frees the memory: it becomes a frame, full of ones.
    cap_delete(object)?;
    let (base, bytes) = (capability.address(), capability.size());
    let slot = aos::slot::slot_alloc()?;
    let account = child.domain.account();
    account.reclaim(base, bytes, slot)?;
    account.object_at_address(slot, ObjType::Frame, bytes, PhysAddr(base))?;
    equal(cap_direct_identify(slot)?.address(), base)?;
    let mut memory = MappedFrame::new(slot, PageFlags::READ_WRITE)?;
    memory.view_mut().fill(0xff);
    let before = view.view().load(0);
    sleep(Duration::from_millis(300));
    equal(view.view().load(0), before)?;
    that(
        child.domain.start().is_err(),
        "the victim cannot be started again",
    )?;
    let mut places = (0..bytes as usize).step_by(8);
    let changed = places.any(|at| memory.view().load(at) != Some(u64::MAX));
    that(!changed, "nobody writes the memory any more")?;
    memory.unmap()?;
    view.unmap()?;
    child.domain.destroy()?;
    // It went with the account.
    aos::slot::slot_free(slot)?;
    Ok(())
}
