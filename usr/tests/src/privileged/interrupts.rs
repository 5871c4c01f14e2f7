//! Interrupts of a real device, as messages.

use super::devices::{Clock, VECTOR};
use crate::dispatchers::make_receiver;
use crate::harness::{Harness, Outcome, equal, refused, that};
use aos::cap::dispatcher::{Setup, dispatcher_setup, dispatcher_stop};
use aos::cap::irq::{Trigger, irq_ack, irq_connect, irq_core, irq_dest_alloc, irq_vector};
use aos::cap::{
    CapRef, cap_delete, cap_destroy, cap_mint, cap_retype, cap_revoke, invoke, monitor,
};
use aos::error::ErrorCode;
use aos::kpi::addr::CoreId;
use aos::kpi::cap::{Capability, IrqDest, ObjType};
use aos::kpi::layout::{BASE_PAGE_SIZE, DISPATCHER_FRAME_BYTES};
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::task;
use aos::lmp::{Endpoint, endpoint_create};
use aos::paging::MappedFrame;
use aos::ram::{frame_alloc, mm_alloc, mm_free, object_alloc};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, event, time};
use core::time::Duration;

const SUITE: &str = "interrupts";
/// A shared interrupt that no device of the board raises here.
const QUIET: u64 = 100;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    // Its registers can be had once.
    let clock = Clock::new();
    harness.test(SUITE, "an alarm is a message, once for each Ack", || {
        alarm(clock.as_ref().map_err(|error| *error)?)
    });
    harness.test(SUITE, "a new receiver replaces the old one", replaced);
    harness.test(
        SUITE,
        "a deleted receiver's memory comes back",
        receiver_deleted,
    );
    harness.test(SUITE, "who is stopped is not run by an interrupt", || {
        stopped(clock.as_ref().map_err(|error| *error)?)
    });
    harness.test(SUITE, "no IRQDest for what is not there", alloc_refused);
    harness.test(
        SUITE,
        "connecting is refused where it must be",
        connect_refused,
    );
}

fn dest(vector: u64) -> Result<CapRef, Error> {
    let slot = slot_alloc()?;
    irq_dest_alloc(slot, vector)?;
    Ok(slot)
}

fn endpoint() -> Result<Endpoint, Error> {
    endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)
}

/// Waits for a message; answers whether it came, and was empty.
fn wait(endpoint: &Endpoint, patience: Duration) -> bool {
    let deadline = time::after(patience);
    loop {
        let snapshot = event::snapshot();
        if let Some(message) = endpoint.receive() {
            return message.words().is_empty() && !message.has_cap();
        }
        if time::now() >= deadline {
            return false;
        }
        event::wait_until(snapshot, Some(deadline));
    }
}

const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(100);

fn alarm(clock: &Clock) -> Outcome {
    let (irq, endpoint) = (dest(VECTOR)?, endpoint()?);
    equal((irq_vector(irq)?, irq_core(irq)?), (VECTOR, 0))?;
    irq_connect(irq, endpoint.cap(), Trigger::Level)?;
    clock.alarm();
    that(wait(&endpoint, LONG), "an empty message")?;
    that(clock.is_due(), "the alarm")?;
    // The device still asserts its line; nobody hears of it until it is acknowledged.
    that(!wait(&endpoint, SHORT), "silence before Ack")?;
    irq_ack(irq)?;
    that(
        wait(&endpoint, SHORT),
        "another message: the line is still asserted",
    )?;
    clock.clear();
    irq_ack(irq)?;
    that(
        !wait(&endpoint, SHORT),
        "silence after the device was served",
    )?;
    // The connection ends with the endpoint.
    cap_revoke(endpoint.cap())?;
    // refuses IrqDest.Ack: IRQ_NO_LISTENER
    refused(irq_ack(irq), ErrorCode::SysIrqNoListener)?;
    clock.alarm();
    that(
        !wait(&endpoint, Duration::from_millis(1500)),
        "silence without a connection",
    )?;
    that(clock.is_due(), "the alarm")?;
    // Connected again: level-triggered, so it was not lost.
    irq_connect(irq, endpoint.cap(), Trigger::Level)?;
    that(wait(&endpoint, SHORT), "the message")?;
    clock.clear();
    cap_revoke(endpoint.cap())?;
    cap_destroy(irq)?;
    Ok(())
}

fn replaced() -> Outcome {
    let (irq, first, second) = (dest(QUIET)?, endpoint()?, endpoint()?);
    irq_connect(irq, first.cap(), Trigger::Edge)?;
    irq_connect(irq, second.cap(), Trigger::Edge)?;
    irq_ack(irq)?;
    cap_revoke(first.cap())?;
    irq_ack(irq)?;
    cap_revoke(second.cap())?;
    refused(irq_ack(irq), ErrorCode::SysIrqNoListener)?;
    cap_destroy(irq)?;
    Ok(())
}

/// Deletes, and does not revoke, a dispatcher and its endpoint while an interrupt is connected with it.
fn receiver_deleted() -> Outcome {
    let memory = mm_alloc(BASE_PAGE_SIZE)?;
    let [dispatcher, whole, endpoint] = [slot_alloc()?, slot_alloc()?, slot_alloc()?];
    let irq = dest(QUIET)?;
    for _ in 0..2 {
        make_receiver(memory, dispatcher, whole, endpoint)?;
        irq_connect(irq, endpoint, Trigger::Edge)?;
        irq_ack(irq)?;
        for cap in [endpoint, whole, dispatcher] {
            cap_delete(cap)?;
        }
        refused(irq_ack(irq), ErrorCode::SysIrqNoListener)?;
    }
    // Nothing is left in its memory.
    cap_retype(whole, memory, 0, ObjType::Frame, BASE_PAGE_SIZE, 1)?;
    for cap in [whole, irq] {
        cap_destroy(cap)?;
    }
    for slot in [dispatcher, endpoint] {
        slot_free(slot)?;
    }
    mm_free(memory)?;
    Ok(())
}

/// The receiver, were it run, would begin at address 0, and so end.
fn stopped(clock: &Clock) -> Outcome {
    let irq = dest(VECTOR)?;
    let dispatcher = object_alloc(ObjType::Dispatcher, 0)?;
    let frame = frame_alloc(DISPATCHER_FRAME_BYTES)?;
    let setup = Setup::own(frame);
    dispatcher_setup(dispatcher, &setup)?;
    let (unminted, endpoint) = (slot_alloc()?, slot_alloc()?);
    cap_retype(unminted, dispatcher, 0, ObjType::EndPointLmp, 0, 1)?;
    cap_mint(endpoint, unminted, 64 << 10, 21)?;
    irq_connect(irq, endpoint, Trigger::Level)?;
    clock.alarm();
    // It must come while somebody runs, so there is no waiting.
    let deadline = time::after(LONG);
    while !clock.is_due() && time::now() < deadline {}
    let later = time::after(SHORT);
    while time::now() < later {}
    that(clock.is_due(), "the alarm")?;
    let view = MappedFrame::new(frame, PageFlags::READ)?;
    equal(view.view().load((64 << 10) + 8), Some(1))?;
    view.unmap()?;
    dispatcher_stop(dispatcher)?;
    clock.clear();
    cap_revoke(dispatcher)?;
    for cap in [irq, dispatcher, frame, unminted, endpoint] {
        // Revoked: empty already.
        let _ = cap_destroy(cap);
    }
    Ok(())
}

fn alloc_refused() -> Outcome {
    let slot = slot_alloc()?;
    // refuses IrqTable.AllocDestCap: IRQ_INVALID
    for vector in [0, 15, 30, 1020, 1024, 1 << 32 | VECTOR, u64::MAX] {
        refused(irq_dest_alloc(slot, vector), ErrorCode::SysIrqInvalid)?;
    }
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    refused(irq_dest_alloc(frame, QUIET), ErrorCode::SysSlotInUse)?;
    mm_free(frame)?;
    cap_mint(slot, CapRef::task(task::IRQ), CapRights::READ.0.into(), 0)?;
    // refuses IrqTable.AllocDestCap: DEST_CAP_RIGHTS
    refused(
        invoke(slot, 1, 6, &[1, 0, 99, QUIET]),
        ErrorCode::SysDestCapRights,
    )?;
    cap_destroy(slot)?;
    Ok(())
}

fn connect_refused() -> Outcome {
    let (irq, endpoint, empty) = (dest(QUIET)?, endpoint()?, slot_alloc()?);
    let connect = |irq, endpoint| irq_connect(irq, endpoint, Trigger::Level);
    // refuses IrqDest.Connect: IRQ_LOOKUP, IRQ_NOT_ENDPOINT, IRQ_NO_LISTENER, IRQ_INVALID
    refused(connect(irq, empty), ErrorCode::SysIrqLookup)?;
    refused(connect(irq, irq), ErrorCode::SysIrqNotEndpoint)?;
    let unminted = CapRef::task(task::SELFEP);
    refused(connect(irq, unminted), ErrorCode::SysIrqNoListener)?;
    let words = [u64::from(endpoint.cap().addr().0), 2];
    refused(invoke(irq, 0, 4, &words), ErrorCode::SysIrqInvalid)?;
    refused(irq_ack(irq), ErrorCode::SysIrqNoListener)?;
    // refuses IrqDest.Connect: DEST_CAP_RIGHTS
    // refuses IrqDest.Ack: DEST_CAP_RIGHTS
    cap_mint(empty, irq, CapRights::READ.0.into(), 0)?;
    refused(connect(empty, endpoint.cap()), ErrorCode::SysDestCapRights)?;
    refused(irq_ack(empty), ErrorCode::SysDestCapRights)?;
    cap_destroy(empty)?;
    // refuses IrqDest.Connect: IRQ_WRONG_CONTROLLER
    // refuses IrqDest.Ack: IRQ_WRONG_CONTROLLER
    let elsewhere = IrqDest {
        cpu: 5,
        vector: QUIET,
    };
    let other = slot_alloc()?;
    monitor::cap_create(
        other,
        &Capability::new_irq_dest(elsewhere, CapRights::ALL),
        CoreId(5),
    )?;
    equal(irq_core(other)?, 5)?;
    refused(
        connect(other, endpoint.cap()),
        ErrorCode::SysIrqWrongController,
    )?;
    refused(irq_ack(other), ErrorCode::SysIrqWrongController)?;
    cap_destroy(other)?;
    cap_destroy(irq)?;
    Ok(())
}
