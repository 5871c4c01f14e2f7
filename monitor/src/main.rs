//! The monitor: the first program of every core but the first one, where init plays its part.
//!
//! The CPU driver makes it as it makes init: it has the core's memory, the Kernel capability, and in its slot MON_URPC the memory that it shares with
//! the core that started this one. It says that the core is up, and answers from then on; between, the core sleeps until it is
//! rung for.
//!
//! Barrelfish counterpart: `usr/monitor` of an APP core; in the course, its `init`.
#![no_std]
#![no_main]

use aos::boot;
use aos::cap::{CNodeRef, CapRef, kernel};
use aos::intermon::{Load, Message};
use aos::kpi::bootinfo::{BootInfo, BootStage, RegionType};
use aos::kpi::slots::{root, task};
use aos::ump::{Channel, Doorbell, SendError, Side};
use aos::{Args, Error, ErrorCode, event, println, ram, time};

#[aos::main]
fn main(_: Args) -> Result<(), Error> {
    let core = aos::core_id();
    match run(boot::info_of_init()) {
        Ok(never) => match never {},
        Err(error) => println!("monitor.{}: stops: {error}", core.0),
    }
    // The kernel goes on, and nobody is left to be run.
    loop {
        event::wait_until(event::snapshot(), None);
    }
}

/// Cannot be.
enum Never {}

fn run(info: &'static BootInfo) -> Result<Never, Error> {
    add_memory(info)?;
    let data = &info.core_data;
    let source = data.cores.get(data.source_core_id as usize).copied();
    let source = source.ok_or(Error::new(ErrorCode::MonInvalidCoreId))?;
    let doorbell = Doorbell::new()?;
    let mut channel = Channel::new(CapRef::task(task::MON_URPC), Side::Server, source)?;
    let started = info.timeline.get(BootStage::BootDriver as usize);
    let mut to_say = Some(Message::Up {
        core: aos::core_id().0,
        started: started.copied().unwrap_or_default(),
        ready: time::now(),
    });
    loop {
        let snapshot = event::snapshot();
        doorbell.answer();
        loop {
            if let Some(message) = to_say {
                match channel.send(message) {
                    Ok(()) => to_say = None,
                    Err(SendError::Broken(fault)) => return Err(fault.into()),
                    // It is not read: nor is what else is asked.
                    Err(_) => break,
                }
            }
            match channel.receive()? {
                Some(Message::Ping { number }) => {
                    let load = load()?;
                    to_say = Some(Message::Pong { number, load });
                }
                // Not for us.
                Some(_) => {}
                None => break,
            }
        }
        if channel.ask_wake(to_say.is_some())? {
            event::wait_until(snapshot, None);
        }
    }
}

/// All memory of this core.
fn add_memory(info: &'static BootInfo) -> Result<(), Error> {
    // What is in the heap from the start is enough.
    aos::heap::set_grows(false);
    let free = |region: &&_| is_free(region);
    for region in boot::regions(info).filter(free) {
        ram::mm_add(CNodeRef::own(root::SUPERCN).slot(region.slot))?;
    }
    Ok(())
}

fn is_free(region: &aos::kpi::bootinfo::MemRegion) -> bool {
    RegionType::from_u32(region.kind) == Some(RegionType::Empty)
}

fn load() -> Result<Load, Error> {
    let usage = ram::mm_usage();
    let statistics = kernel::statistics()?;
    Ok(Load {
        memory: usage.total,
        free: usage.free,
        capabilities: statistics.capabilities,
        runnable: statistics.dispatchers,
    })
}
