//! Hostile clients of each service: random and truncated messages, wrong numbers, too many capabilities, connections opened and dropped. The service lives,
//! answers others in time, and has its memory back when the client is gone.

use super::{becomes_free, call, free_of_server, memory_channel, start, status, word};
use crate::harness::{Failure, Outcome, equal, that};
use crate::parts::DONE;
use crate::services::hostile::{Raw, Target, words, wrong};
use crate::services::{PATIENCE, client_of, soon};
use crate::world::sleep;
use aos::cap::CapRef;
use aos::channel::Channel;
use aos::flounder::{Limits, within};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::ram::frame_alloc;
use aos::rpc::{
    INIT, MEMORY, PROCESS, SERIAL, aos_rpc_get_init_channel, aos_rpc_get_process_channel,
    aos_rpc_get_serial_channel, aos_rpc_process_get_all_pids, aos_rpc_send_number,
};
use aos::sync::Shared;
use aos::{Error, ErrorCode, event, time};
use core::time::Duration;
use random::Random;
use services::echo::EchoClient;
use services::init::InitClient;
use services::interrupts::{self, InterruptsClient, Trigger};
use services::memory::MemoryClient;
use services::process::ProcessesClient;
use services::terminal::TerminalClient;

/// The UART's interrupt line, on QEMU's `virt` board.
const UART: u32 = 33;

/// The services, and what is called wrongly of them: of `echo` all but that it ends.
pub const TARGETS: [Target; 6] = [
    Target {
        name: MEMORY,
        interface: MemoryClient::<Channel, Shared>::INTERFACE,
        methods: MemoryClient::<Channel, Shared>::METHODS as u64,
        long_method: 1,
    },
    Target {
        name: PROCESS,
        interface: ProcessesClient::<Channel, Shared>::INTERFACE,
        methods: ProcessesClient::<Channel, Shared>::METHODS as u64,
        long_method: 0,
    },
    Target {
        name: INIT,
        interface: InitClient::<Channel, Shared>::INTERFACE,
        methods: InitClient::<Channel, Shared>::METHODS as u64,
        long_method: 1,
    },
    Target {
        name: SERIAL,
        interface: TerminalClient::<Channel, Shared>::INTERFACE,
        methods: TerminalClient::<Channel, Shared>::METHODS as u64,
        long_method: 1,
    },
    Target {
        name: interrupts::NAME,
        interface: InterruptsClient::<Channel, Shared>::INTERFACE,
        methods: InterruptsClient::<Channel, Shared>::METHODS as u64,
        long_method: 0,
    },
    Target {
        name: ECHO,
        interface: EchoClient::<Channel, Shared>::INTERFACE,
        methods: EchoClient::<Channel, Shared>::METHODS as u64 - 1,
        long_method: 3,
    },
];

const ECHO: &str = "test/echo";

/// One honest call to a service, which is answered in time.
fn serves(name: &str) -> Outcome {
    let begin = time::now();
    match name {
        MEMORY => drop(call(memory_channel()?.total())?),
        PROCESS => drop(aos_rpc_process_get_all_pids(
            &aos_rpc_get_process_channel()?
        )?),
        ECHO => soon(client_of(ECHO)?.null())?,
        SERIAL => call(aos_rpc_get_serial_channel()?.write(b"still there\n"))?,
        interrupts::NAME => interrupts_serve()?,
        _ => aos_rpc_send_number(&aos_rpc_get_init_channel()?, 1)?,
    }
    let took = time::now() - begin;
    that(took < time::after(PATIENCE) - time::now(), "in time")
}

/// A line that the attacker may have had is to be had, and given back; the UART's is its driver's.
fn interrupts_serve() -> Outcome {
    let channel = aos::names::connect_within(interrupts::NAME, PATIENCE)?;
    let bind = InterruptsClient::<_, Shared>::bind(channel, Limits::default());
    let mut bind = alloc::boxed::Box::pin(bind);
    let timeout = event::sleep_until(time::after(PATIENCE));
    let client = event::block_on(within(&mut bind, timeout))?;
    let lines = call(client.list())?;
    that(lines.iter().any(|one| one.line == UART), "the UART's line")?;
    let own = call(client.open(UART, Trigger::Level));
    that(own.is_err(), "a driver's line is refused")
}

/// Has a program send so many messages, and looks after the service meanwhile.
pub fn attack(name: &str, messages: u64) -> Outcome {
    let target = TARGETS.iter().position(|target| target.name == name);
    let target = target.ok_or(Failure::new("a target", name))? as u64;
    let memory = memory_channel()?;
    // The terminal has an interrupt line.
    drop(aos::names::connect_within(SERIAL, PATIENCE)?);
    drop(aos::names::connect_within(name, PATIENCE)?);
    serves(name)?;
    let before = (free_of_server(&memory)?, pid_of(name)?);
    let attacker = start("sup-hostile", &[target, messages])?;
    let processes = aos_rpc_get_process_channel()?;
    while aos_rpc_process_get_all_pids(&processes)?.contains(&attacker) {
        serves(name)?;
        sleep(Duration::from_millis(3));
    }
    equal(status(attacker)?, DONE)?;
    serves(name)?;
    equal(pid_of(name)?, before.1)?;
    becomes_free(&memory, before.0)
}

/// The process of a service: it stays the same.
fn pid_of(name: &str) -> Result<u32, Error> {
    Ok(aos::names::nameservice_lookup(name)?.pid.0)
}

/// The attacker: `tests --child sup-hostile TARGET MESSAGES`.
pub fn client(target: u64) -> Result<(), Error> {
    let unknown = Error::new(ErrorCode::SpawnGetCmdlineArgs);
    let target = *TARGETS.get(target as usize).ok_or(unknown)?;
    let messages = word(1);
    let mut random = Random::new(messages);
    let frame: CapRef = frame_alloc(BASE_PAGE_SIZE)?;
    let mut raw = Raw::new(target)?;
    let mut bound_on = 0;
    for number in 0..messages {
        if number % 2 == 0 {
            let all = words(&mut random);
            let count = random.below(10) as usize;
            let cap = (random.below(4) == 0).then_some(frame);
            raw.send(all.get(..count).unwrap_or_default(), cap)?;
            if random.below(50) == 0 {
                raw.reconnect()?;
            }
        } else {
            if bound_on != raw.connections {
                raw.bind()?;
                bound_on = raw.connections;
            }
            wrong(&mut random, &mut raw, frame)?;
        }
    }
    aos::println!(
        "hostile: {messages} messages to {}, {} connections, {} refused",
        target.name,
        raw.connections,
        raw.refused
    );
    Ok(())
}
