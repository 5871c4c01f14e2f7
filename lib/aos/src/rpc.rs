//! The course's calls (`aos_rpc_*`), over the services.
//!
//! A channel is a connection to a service, which is found by its name: one for all threads, made when it is first asked for, and made anew when the
//! service has been started again. Whoever asks for a channel waits up to [`PATIENCE`] for the service: it may just be starting. A call whose
//! connection is lost fails; the next one needs a new channel.
//!
//! | Channel | Service | Calls |
//! |---|---|---|
//! | init | [`INIT`] | `aos_rpc_send_number`, `aos_rpc_send_string` |
//! | memory | [`MEMORY`] | `aos_rpc_get_ram_cap` |
//! | serial | [`SERIAL`] | `aos_rpc_serial_putchar`, `aos_rpc_serial_getchar` |
//! | process | [`PROCESS`] | `aos_rpc_process_*` |
//!
//! Each channel is of a type of its own, so that a call on the wrong one does not compile; further calls are its methods. `aos_rpc_init` has nothing to do
//! here: a channel comes set up.
//!
//! Barrelfish counterpart: the course's `aos_rpc.h`. Results are returned, not written through pointers.

use crate::cap::{AnyCap, CapRef};
use crate::channel::Channel;
use crate::error::{Error, ErrorCode};
use crate::proc::{Command, Pid};
use crate::sync::{Mutex, Shared};
use crate::{event, names, time};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use flounder::Limits;
use services::init::InitClient;
use services::memory::MemoryClient;
use services::process::ProcessesClient;
use services::terminal::TerminalClient;

pub use services::grading::Grading;
pub use services::process::{About, Ended, Order, ServiceState};

/// Name of the service that takes numbers and texts.
pub const INIT: &str = "service/init";
/// Name of the memory server.
pub const MEMORY: &str = "service/memory";
/// Name of the terminal.
pub const SERIAL: &str = "service/terminal";
/// Name of the process server.
pub const PROCESS: &str = "service/process";

/// How long a channel's service is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of a text, and of an order.
const LIMITS: Limits = Limits {
    message_bytes: 1 << 20,
    caps: 16,
    queued_bytes: 1 << 20,
    calls: 64,
};

/// A connection to the service that takes numbers and texts.
pub type InitChannel = InitClient<Channel, Shared>;
/// A connection to the memory server.
pub type MemoryChannel = MemoryClient<Channel, Shared>;
/// A connection to the terminal.
pub type SerialChannel = TerminalClient<Channel, Shared>;
/// A connection to the process server.
pub type ProcessChannel = ProcessesClient<Channel, Shared>;

static INIT_CHANNEL: Mutex<Option<InitChannel>> = Mutex::new(None);
static MEMORY_CHANNEL: Mutex<Option<MemoryChannel>> = Mutex::new(None);
static SERIAL_CHANNEL: Mutex<Option<SerialChannel>> = Mutex::new(None);
static PROCESS_CHANNEL: Mutex<Option<ProcessChannel>> = Mutex::new(None);

/// The connection that is kept, unless it is lost; else a new one to the service of that name.
fn channel<C: Clone>(
    kept: &Mutex<Option<C>>,
    is_lost: impl Fn(&C) -> bool,
    service: &str,
    bind: impl AsyncFn(Channel) -> Result<C, Error>,
) -> Result<C, Error> {
    let present = kept.lock().clone();
    if let Some(present) = present.filter(|one| !is_lost(one)) {
        return Ok(present);
    }
    let deadline = time::after(PATIENCE);
    loop {
        let connected = names::connect_within(service, PATIENCE);
        match connected.and_then(|channel| event::block_on(bind(channel))) {
            Ok(new) => {
                // Who was faster is replaced: his connection lives as long as he uses it.
                *kept.lock() = Some(new.clone());
                return Ok(new);
            }
            // It ended just now.
            Err(error)
                if error.contains(ErrorCode::FlounderConnectionLost) && time::now() < deadline => {}
            Err(error) => return Err(error),
        }
    }
}

/// The channel to whoever takes numbers and texts.
///
/// # Errors
/// As [`names::connect_within`], or why the service cannot be used.
pub fn aos_rpc_get_init_channel() -> Result<InitChannel, Error> {
    let is_lost = |one: &InitChannel| one.connection().lost().is_some();
    channel(&INIT_CHANNEL, is_lost, INIT, async |channel| {
        InitClient::bind(channel, LIMITS).await
    })
}

/// The channel to the memory server.
///
/// # Errors
/// As [`aos_rpc_get_init_channel`].
pub fn aos_rpc_get_memory_channel() -> Result<MemoryChannel, Error> {
    let is_lost = |one: &MemoryChannel| one.connection().lost().is_some();
    channel(&MEMORY_CHANNEL, is_lost, MEMORY, async |channel| {
        MemoryClient::bind(channel, LIMITS).await
    })
}

/// The channel to the terminal. If nobody has its foreground, this process has it from now on.
///
/// # Errors
/// As [`aos_rpc_get_init_channel`].
pub fn aos_rpc_get_serial_channel() -> Result<SerialChannel, Error> {
    let is_lost = |one: &SerialChannel| one.connection().lost().is_some();
    channel(&SERIAL_CHANNEL, is_lost, SERIAL, async |channel| {
        let serial = TerminalClient::bind(channel, LIMITS).await?;
        // Who is in the background reads when it is lent the foreground.
        let _ = serial.claim().await;
        Ok(serial)
    })
}

/// The channel to the process server.
///
/// # Errors
/// As [`aos_rpc_get_init_channel`].
pub fn aos_rpc_get_process_channel() -> Result<ProcessChannel, Error> {
    let is_lost = |one: &ProcessChannel| one.connection().lost().is_some();
    channel(&PROCESS_CHANNEL, is_lost, PROCESS, async |channel| {
        ProcessesClient::bind(channel, LIMITS).await
    })
}

/// Sends a number.
///
/// # Errors
/// The connection is lost.
pub fn aos_rpc_send_number(channel: &InitChannel, value: u64) -> Result<(), Error> {
    event::call(channel.number(value))
}

/// Sends a text of up to about 1 MiB.
///
/// # Errors
/// `FLOUNDER_ERR_TX_MSG_SIZE`: it is longer; the connection is lost.
pub fn aos_rpc_send_string(channel: &InitChannel, text: &str) -> Result<(), Error> {
    event::call(channel.text(text))
}

/// A RAM capability of so many bytes, rounded up to pages, at a multiple of a power of two; and its size. The slot is the caller's. What
/// is given back by the channel's `free` is gone from it then.
///
/// # Errors
/// `ACCOUNT_ERR_LIMIT_BYTES`, `ACCOUNT_ERR_LIMIT_ALLOCATIONS`: the process may have no more; `LIB_ERR_RAM_ALLOC`: there is no more;
/// `ACCOUNT_ERR_BAD_RANGE`: no such size or alignment; the connection is lost.
pub fn aos_rpc_get_ram_cap(
    channel: &MemoryChannel,
    bytes: u64,
    alignment: u64,
) -> Result<(CapRef, u64), Error> {
    let (cap, bytes) = event::call(channel.alloc(bytes, alignment))?;
    Ok((AnyCap::into_slot(cap), bytes))
}

/// Prints a byte.
///
/// # Errors
/// The terminal's; the connection is lost.
pub fn aos_rpc_serial_putchar(channel: &SerialChannel, byte: u8) -> Result<(), Error> {
    event::call(channel.write(&[byte]))
}

/// What [`aos_rpc_serial_getchar`] answers with at the end of the input: Ctrl-D.
pub const END_OF_INPUT: u8 = 4;

/// The next byte that is typed for this process; [`END_OF_INPUT`] when the user has ended the input.
///
/// # Errors
/// The terminal's; the connection is lost.
pub fn aos_rpc_serial_getchar(channel: &SerialChannel) -> Result<u8, Error> {
    let typed = event::call(channel.read(1, false))?;
    Ok(typed.bytes.first().copied().unwrap_or(END_OF_INPUT))
}

/// Starts what a line says, as [`Command::of_line`] reads it; answers with its number. It is the caller's, and ends with it.
///
/// # Errors
/// As [`Command::of_line`], [`Command::spawn`]; `PROC_MGMT_ERR_INVALID_SPAWND`: no such core; the connection is lost.
pub fn aos_rpc_process_spawn(channel: &ProcessChannel, line: &str, core: u8) -> Result<Pid, Error> {
    let (args, env) = Command::of_line(line)?.into_words();
    let order = Order {
        args,
        env,
        core,
        ..Order::default()
    };
    event::call(channel.spawn(order, Vec::new()))
}

/// The name of a process.
///
/// # Errors
/// `SPAWN_ERR_DOMAIN_NOTFOUND`; the connection is lost.
pub fn aos_rpc_process_get_name(channel: &ProcessChannel, pid: Pid) -> Result<String, Error> {
    event::call(channel.name(pid))
}

/// The numbers of all processes.
///
/// # Errors
/// The connection is lost.
pub fn aos_rpc_process_get_all_pids(channel: &ProcessChannel) -> Result<Vec<Pid>, Error> {
    event::call(channel.pids())
}

/// Ends a process of the caller's.
///
/// # Errors
/// `SPAWN_ERR_DOMAIN_NOTFOUND`: it has no such process; the connection is lost.
pub fn aos_rpc_process_kill(channel: &ProcessChannel, pid: Pid) -> Result<(), Error> {
    event::call(channel.kill(pid))
}

/// Waits for the end of a process of the caller's. Each end is told once.
///
/// # Errors
/// As [`aos_rpc_process_kill`].
pub fn aos_rpc_process_wait(channel: &ProcessChannel, pid: Pid) -> Result<Ended, Error> {
    event::call(channel.wait(pid))
}

/// Prints a line for each call of the course that a service does: for services that are started with the word `grading`.
#[derive(Clone, Copy, Default, Debug)]
pub struct GradingLines;

impl Grading for GradingLines {
    fn note(&mut self, call: fmt::Arguments<'_>) {
        crate::println!("grading: {call}");
    }
}
