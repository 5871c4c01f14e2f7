//! Owned capabilities: what is dropped comes back, what is given away is gone.

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use crate::world::World;
use aos::cap::{Cap, CapRef, Derived, Mapped, cap_direct_identify, give, owned, reap};
use aos::error::ErrorCode;
use aos::initproto::Message;
use aos::kpi::cap::{Dispatcher, EndPointLmp, Frame, ObjType, Ram, VNodeAarch64L3};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::task;
use aos::lmp::endpoint_create;
use aos::ram::{mm_free, mm_usage};
use aos::slot::{free_slots, slot_alloc, slot_free};
use aos::{Error, event, time};
use core::time::Duration;

const SUITE: &str = "owned";
const PAGE: u64 = BASE_PAGE_SIZE;

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "dropped and reaped, all is as before", || {
        unchanged(dropped)
    });
    harness.test(SUITE, "what was retyped or split comes back", || {
        unchanged(retyped)
    });
    harness.test(SUITE, "a refused retype gives the capability back", || {
        unchanged(retype_refused)
    });
    harness.test(SUITE, "parts and copies, then revoke", || {
        unchanged(revoked)
    });
    harness.test(SUITE, "a minted copy has fewer rights", || {
        unchanged(minted)
    });
    harness.test(SUITE, "an endpoint of a dispatcher", || unchanged(endpoint));
    harness.test(SUITE, "access while mapped", || unchanged(mapped));
    harness.test(SUITE, "an error in the middle cleans up", || {
        unchanged(fails_in_the_middle)
    });
    harness.test(SUITE, "a slot has one owner", || unchanged(one_owner));
    harness.test(
        SUITE,
        "a failed send gives it back, another takes it",
        || unchanged(given),
    );
    harness.test(SUITE, "what was given away can be revoked", || {
        unchanged(given_and_revoked)
    });
    harness.test(SUITE, "slots run out, the reaper helps", || {
        unchanged(many_slots)
    });
    harness.test(SUITE, "memory runs out, the reaper helps", || {
        unchanged(much_memory)
    });
    harness.test(SUITE, "a wait reaps", || unchanged(wait));
    harness.test(SUITE, "what was dropped is mapped no more", || {
        touched(world)
    });
}

/// Free slots, free memory, live and dead values.
fn counts() -> (u32, u64, usize, usize) {
    let (live, dead) = owned::count();
    (free_slots(), mm_usage().free, live, dead)
}

/// Runs a test twice: the second time nothing may be missing afterwards. (The first may make page tables, which stay.)
fn unchanged(test: fn() -> Outcome) -> Outcome {
    test()?;
    reap();
    let before = counts();
    test()?;
    let reaped = reap();
    equal(reaped.refused, 0)?;
    equal(counts(), before)
}

fn dropped() -> Outcome {
    // Ranges that other tests left in use elsewhere are passed over now, and are out of the books then.
    drop((
        Cap::<Frame>::alloc(3 * PAGE)?,
        Cap::<VNodeAarch64L3>::alloc(0)?,
    ));
    reap();
    let (slots, free, live, dead) = counts();
    let frame = Cap::<Frame>::alloc(3 * PAGE)?;
    let table = Cap::<VNodeAarch64L3>::alloc(0)?;
    equal(counts(), (slots - 2, free - 4 * PAGE, live + 2, dead))?;
    equal(frame.identify()?.bytes, 3 * PAGE)?;
    drop((frame, table));
    // Nothing happened yet.
    equal(counts(), (slots - 2, free - 4 * PAGE, live, dead + 2))?;
    reap();
    equal(counts(), (slots, free, live, 0))
}

fn retyped() -> Outcome {
    let ram = Cap::<Ram>::alloc(4 * PAGE)?;
    let base = ram.identify()?.base;
    let (one, three) = ram.split(PAGE).map_err(aos::Error::from)?;
    equal(one.identify()?.base, base)?;
    equal(three.identify()?.base, base + PAGE)?;
    let table: Cap<VNodeAarch64L3> = one.retype().map_err(aos::Error::from)?;
    equal(table.identify()?.base, base)?;
    let (two, last) = three.split(2 * PAGE).map_err(aos::Error::from)?;
    let frame: Cap<Frame> = two.retype().map_err(aos::Error::from)?;
    let dispatcher: Cap<Frame> = last.retype().map_err(aos::Error::from)?;
    let (left, right) = frame.split(PAGE).map_err(aos::Error::from)?;
    left.delete().map_err(aos::Error::from)?;
    drop((table, dispatcher, right));
    Ok(())
}

fn retype_refused() -> Outcome {
    let ram = Cap::<Ram>::alloc(2 * PAGE)?;
    let Err(ram) = ram.retype::<Dispatcher>() else {
        return Err(Failure::new("SYS_ERR_INVALID_SIZE", "success"));
    };
    that(
        ram.error.contains(ErrorCode::SysInvalidSize),
        "SYS_ERR_INVALID_SIZE",
    )?;
    let ram = ram.cap;
    let part = ram.carve::<Frame>(PAGE, PAGE)?.detach();
    let Err(ram) = ram.retype::<Frame>() else {
        return Err(Failure::new("SYS_ERR_REVOKE_FIRST", "success"));
    };
    that(
        ram.error.contains(ErrorCode::SysRevokeFirst),
        "SYS_ERR_REVOKE_FIRST",
    )?;
    // What was dropped is no obstacle.
    drop(part);
    let frame = ram.cap.retype::<Frame>().map_err(aos::Error::from)?;
    equal(frame.identify()?.bytes, 2 * PAGE)
}

fn revoked() -> Outcome {
    let mut ram = Cap::<Ram>::alloc(4 * PAGE)?;
    let part: Derived<'_, Frame> = ram.carve(0, PAGE)?;
    refused(ram.carve::<Frame>(0, PAGE), ErrorCode::SysRevokeFirst)?;
    let kept = part.copy()?.detach();
    drop(part);
    ram.revoke()?;
    refused(kept.identify(), ErrorCode::SysCapNotFound)?;
    equal(ram.carve::<Frame>(0, PAGE)?.identify()?.bytes, PAGE)
}

fn minted() -> Outcome {
    let frame = Cap::<Frame>::alloc(PAGE)?;
    let rights = CapRights::READ.union(CapRights::IDENTIFY);
    let narrow = frame.mint(rights)?;
    equal(cap_direct_identify(narrow.slot())?.rights(), rights)?;
    let refusal = narrow.detach().map(PageFlags::READ_WRITE);
    that(refusal.is_err(), "no mapping to write")
}

fn endpoint() -> Outcome {
    let dispatcher = Cap::<Dispatcher>::adopt(CapRef::task(task::DISPATCHER))?;
    let endpoint: Derived<'_, EndPointLmp> = dispatcher.carve(0, 0)?;
    let found = cap_direct_identify(endpoint.slot())?;
    equal(found.objtype(), ObjType::EndPointLmp)?;
    drop(endpoint);
    // It is not to be reaped.
    dispatcher.into_slot();
    Ok(())
}

fn mapped() -> Outcome {
    let frame = Cap::<Frame>::alloc(2 * PAGE)?;
    let mut mapped: Mapped<Frame> = frame.map(PageFlags::READ_WRITE).map_err(aos::Error::from)?;
    let view = mapped.view_mut();
    that(view.store(16, 0x1234), "a store")?;
    that(view.write(PAGE as usize - 3, b"capability"), "bytes")?;
    that(!view.write(2 * PAGE as usize - 3, b"capability"), "no room")?;
    equal(view.load(16), Some(0x1234))?;
    let frame = mapped.unmap().map_err(aos::Error::from)?;
    let mut mapped = frame.map(PageFlags::READ).map_err(aos::Error::from)?;
    let view = mapped.view_mut();
    that(!view.store(16, 0), "no store where it is read only")?;
    let mut bytes = [0; 10];
    that(view.read(PAGE as usize - 3, &mut bytes), "bytes")?;
    equal(&bytes, b"capability")?;
    that(!view.read(usize::MAX, &mut bytes), "no bytes there")
}

// ANCHOR: filled
/// A new frame with these bytes from `offset` on.
fn filled(frame_bytes: u64, offset: usize, bytes: &[u8]) -> Result<Cap<Frame>, Error> {
    let frame = Cap::<Frame>::alloc(frame_bytes)?;
    let mut mapped = frame.map(PageFlags::READ_WRITE)?;
    if !mapped.view_mut().write(offset, bytes) {
        return Err(Error::new(ErrorCode::ElfFilesz));
    }
    Ok(mapped.unmap()?)
}
// ANCHOR_END: filled

fn fails_in_the_middle() -> Outcome {
    drop(filled(PAGE, 0, b"capability")?);
    refused(filled(PAGE, PAGE as usize, b"c"), ErrorCode::ElfFilesz)
}

fn one_owner() -> Outcome {
    let frame = Cap::<Frame>::alloc(PAGE)?;
    refused(Cap::<Ram>::adopt(frame.slot()), ErrorCode::LibCapType)?;
    refused(Cap::<Frame>::adopt(frame.slot()), ErrorCode::LibCapOwned)?;
    let slot = frame.into_slot();
    let again = Cap::<Frame>::adopt(slot)?;
    mm_free(again.into_slot())?;
    let empty = slot_alloc()?;
    refused(Cap::<Frame>::adopt(empty), ErrorCode::SysCapNotFound)?;
    slot_free(empty)?;
    Ok(())
}

fn given() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let (slots, free, ..) = counts();
    let frame = Cap::<Frame>::alloc(PAGE)?;
    let before = cap_direct_identify(frame.slot())?;
    // No slot is armed.
    let Err(back) = give(endpoint.cap(), &[7], frame) else {
        return Err(Failure::new("a refusal", "success"));
    };
    equal(cap_direct_identify(back.cap.slot())?, before)?;
    let slot = slot_alloc()?;
    endpoint.arm(slot);
    give(endpoint.cap(), &[7], back.cap).map_err(aos::Error::from)?;
    equal(free_slots(), slots - 1)?;
    let message = endpoint.receive();
    that(message.is_some_and(|it| it.has_cap()), "a capability")?;
    let received = Cap::<Frame>::adopt(slot)?;
    equal(cap_direct_identify(received.slot())?, before)?;
    // Its memory went along: here it comes back by the old call.
    equal(mm_usage().free, free - PAGE)?;
    mm_free(received.into_slot())?;
    // The endpoint's own slot stays, as its buffer does.
    aos::cap::cap_destroy(endpoint.cap())?;
    Ok(())
}

fn given_and_revoked() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let slot = slot_alloc()?;
    endpoint.arm(slot);
    let mut ram = Cap::<Ram>::alloc(2 * PAGE)?;
    give(endpoint.cap(), &[], ram.carve::<Frame>(0, PAGE)?).map_err(aos::Error::from)?;
    that(endpoint.receive().is_some(), "a message")?;
    let received = Cap::<Frame>::adopt(slot)?;
    ram.revoke()?;
    refused(received.identify(), ErrorCode::SysCapNotFound)?;
    aos::cap::cap_destroy(endpoint.cap())?;
    Ok(())
}

fn many_slots() -> Outcome {
    let frame = Cap::<Frame>::alloc(PAGE)?;
    let free = free_slots();
    for _ in 0..3000 {
        drop(frame.copy()?.detach());
    }
    that(free_slots() <= free, "no CNode was added")
}

fn much_memory() -> Outcome {
    let half = mm_usage().largest / 2;
    for _ in 0..7 {
        drop(Cap::<Ram>::alloc(half)?);
    }
    Ok(())
}

fn wait() -> Outcome {
    for _ in 0..3 {
        drop(Cap::<Frame>::alloc(PAGE)?);
    }
    that(owned::count().1 >= 3, "dead ones")?;
    let until = time::after(Duration::from_millis(1));
    event::wait_until(event::snapshot(), Some(until));
    equal(owned::count().1, 0)
}

fn touched(world: &World) -> Outcome {
    let frame = Cap::<Frame>::alloc(PAGE)?;
    let child = world.child("touch-dropped", Some(frame.slot()))?;
    child.domain.start()?;
    let message = child.wait();
    child.domain.destroy()?;
    match message {
        Some(Message::Fault(fault)) => equal(fault.name(), "read"),
        other => Err(Failure::new("read", alloc::format!("{other:?}"))),
    }
}
