//! Services that init itself offers, in the profile *course*: names, memory, processes, the terminal, and the course's init channel.
//!
//! | Module | What |
//! |---|---|
//! | here | a thread for each service; what the boot menu says about them |
//! | [`registrar`] | their names, which init registers with its own name server |
//! | [`console`] | the terminal's line: the kernel's console |
//! | [`foreground`] | the prompt lends the terminal to the program that it waits for |
//!
//! What the services do is [`serving`], as in domains of their own. A service waits for its clients and for init's main thread, which makes processes and
//! connections for it as it does for programs ([`aos::monitor::local`]); the main thread waits for none of them. Where init is a client itself, of the names
//! and of the terminal, it is so by loopback.
//!
//! **Memory.** What services keep has bounds, in [`HEAP_BYTES`] that are there from the start, since init must not end because memory is out. The RAM that
//! `service/memory` gives to clients is put aside for that, [`RAM_MIB`].

mod console;
mod foreground;
mod registrar;

pub use console::{feed, wants};
pub use foreground::Foreground;

use aos::{Error, event, println, ram, thread};
use core::hint::black_box;
use serving::memory::{ALLOCATIONS, Limit, Pool};
use serving::process::Operators;
use serving::{greeting, memory, names, process, terminal};

/// RAM that clients may have together, unless the boot menu says otherwise.
const RAM_MIB: u32 = 128;
/// For what all services keep of their clients: 12 MiB. Messages of the init channel have the largest part, see [`GREETINGS_BYTES`].
const HEAP_BYTES: u64 = 12 << 20;
/// What messages of the init channel may take: each is there up to twice.
const GREETINGS_BYTES: usize = 5 << 20;
/// What messages of other services may take, of each.
const MESSAGES_BYTES: usize = 1 << 20;
/// Stack of each thread, and what of it is there from the start.
const STACK_BYTES: u64 = 128 << 10;
const TOUCHED_BYTES: usize = 64 << 10;

/// What the boot menu says of them.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// They are offered at all.
    pub is_made: bool,
    /// A line for each call of the course.
    pub grading: bool,
    /// RAM for clients; each one's limit.
    pub ram_mib: Option<u32>,
    pub limit_mib: Option<u32>,
    /// Programs of the boot menu that may manage all processes.
    pub operators: Operators,
}

/// Starts them, if there are to be any. One that cannot be started is named on the console, and the others are there.
pub fn start(offer: &Offer) {
    if !offer.is_made {
        return;
    }
    aos::monitor::local::serve();
    if let Err(error) = aos::heap::add(HEAP_BYTES) {
        println!("init: no memory to offer services: {error}");
        return;
    }
    let grading = offer.grading;
    let operators = offer.operators.clone();
    let ram_mib = offer.ram_mib.unwrap_or(RAM_MIB);
    let limit_mib = offer.limit_mib.unwrap_or(ram_mib / 4);
    begin("names", serve_names);
    begin("memory", move || serve_memory(ram_mib, limit_mib, grading));
    begin("processes", move || serve_processes(operators, grading));
    begin("terminal", move || serve_terminal(grading));
    begin("init channel", move || serve_greetings(grading));
}

/// Whether all that was started is registered.
pub fn are_ready() -> bool {
    registrar::is_done()
}

/// A thread that serves.
fn begin(name: &'static str, serve: impl FnOnce() -> Result<(), Error> + Send + 'static) {
    registrar::expect_one();
    let work = move || {
        touch_stack();
        if let Err(error) = serve() {
            println!("init: {name}: the service is not offered: {error}");
            registrar::expect_one_less();
        }
    };
    let made = thread::Builder::new(name)
        .stack_bytes(STACK_BYTES)
        .spawn(work);
    match made {
        Ok(thread) => thread.detach(),
        Err(error) => {
            println!("init: {name}: the service is not offered: {error}");
            registrar::expect_one_less();
        }
    }
}

/// Has the memory of a stack there before anybody can need it.
#[inline(never)]
fn touch_stack() {
    black_box(&mut [0_u8; TOUCHED_BYTES]);
}

fn serve_names() -> Result<(), Error> {
    let mut host = names::host()?.within(MESSAGES_BYTES);
    registrar::run(&mut host);
    names::serve(&mut host);
    Ok(())
}

fn serve_memory(ram_mib: u32, limit_mib: u32, grading: bool) -> Result<(), Error> {
    let mut host = memory::host()?.within(MESSAGES_BYTES);
    let pool = Pool::new(ram::mm_alloc(u64::from(ram_mib) << 20)?)?;
    let limit = Limit {
        bytes: u64::from(limit_mib) << 20,
        allocations: ALLOCATIONS,
    };
    registrar::add(memory::NAME, &host);
    memory::serve(&mut host, pool, limit, grading);
    Ok(())
}

fn serve_processes(operators: Operators, grading: bool) -> Result<(), Error> {
    let mut host = process::host()?.within(MESSAGES_BYTES);
    registrar::add(process::NAME, &host);
    process::serve(&mut host, &operators, grading)
}

fn serve_terminal(grading: bool) -> Result<(), Error> {
    let mut host = terminal::host()?.within(MESSAGES_BYTES);
    foreground::offer(&mut host);
    console::watch(&mut host);
    registrar::add(terminal::NAME, &host);
    event::block_on(terminal::serve(&mut host, grading, console::turn));
    Ok(())
}

fn serve_greetings(grading: bool) -> Result<(), Error> {
    let mut host = greeting::host()?.within(GREETINGS_BYTES);
    registrar::add(greeting::NAME, &host);
    greeting::serve(&mut host, grading);
    Ok(())
}
