//! The end of a domain: its status, and the faults that end it.
//!
//! An ending domain disables its dispatcher for good, sends one message to the endpoint in its INITEP slot and parks. A full
//! endpoint buffer is retried after a yield: every later dispatch is a `run` upcall, which comes back to [`finish`]. Nothing
//! here allocates or waits in a loop. When nobody can be told (init itself, or a domain that lost its endpoint), the end is
//! printed; a domain with the Kernel capability then powers the machine off, any other faults until the kernel stops it, so
//! that init learns of it from the kernel.

use crate::arch::{dispatcher, entry, scheduler};
use crate::cap::CapRef;
use crate::error::{Error, is_transient};
use crate::{cap, console, lmp, record, thread};
use core::fmt;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use initproto::{Fault, FaultCause, Message, STATUS_ERROR};
use kpi::lmp::LMP_WORDS;
use kpi::slots::task;
use testproto::{Kind, Writer};

/// How a program ended, 0 to 255; 0 = well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(pub u8);

impl Status {
    /// It ended well.
    pub const SUCCESS: Self = Self(0);
}

/// What `main` may return.
pub trait Termination {
    /// The status, after telling the user what there is to tell.
    fn report(self) -> Status;
}

impl Termination for () {
    fn report(self) -> Status {
        Status::SUCCESS
    }
}

impl Termination for Status {
    fn report(self) -> Status {
        self
    }
}

impl<T: Termination> Termination for Result<T, Error> {
    fn report(self) -> Status {
        match self {
            Ok(value) => value.report(),
            Err(error) => {
                crate::println!("{}: {error}", DomainName::own());
                Status(STATUS_ERROR)
            }
        }
    }
}

/// The name of a domain: at most 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DomainName([u8; 16]);

impl DomainName {
    /// This domain's.
    pub fn own() -> Self {
        Self(dispatcher::name())
    }

    /// Cut to what fits, at a character boundary. What would move the cursor of a console is a question mark.
    pub fn new(name: &str) -> Self {
        let mut bytes = [0; 16];
        let mut length = 0;
        for c in name.chars() {
            let c = if c.is_control() { '?' } else { c };
            let Some(place) = bytes.get_mut(length..length + c.len_utf8()) else {
                break;
            };
            c.encode_utf8(place);
            length += c.len_utf8();
        }
        Self(bytes)
    }

    /// From the dispatcher structure.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As the dispatcher structure wants it.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        f.pad(core::str::from_utf8(text).unwrap_or("?"))
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a domain reports to.
pub const INITEP: CapRef = CapRef::task(task::INITEP);

/// The last message; the count is 0 until the domain is ending.
static WORDS: [AtomicU64; LMP_WORDS] = [const { AtomicU64::new(0) }; LMP_WORDS];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// What `COUNT` is once the message is sent.
const SENT: usize = usize::MAX;

/// Ends this domain.
pub fn exit(status: Status) -> ! {
    console::finish();
    end(&Message::Exit { status: status.0 })
}

/// Ends this domain with that message.
pub(crate) fn end(message: &Message) -> ! {
    dispatcher::set_disabled(true);
    let (words, count) = message.encode();
    for (place, word) in WORDS.iter().zip(words) {
        place.store(word, Ordering::Relaxed);
    }
    COUNT.store(count, Ordering::Relaxed);
    finish()
}

/// A fault upcall: the dispatcher is disabled.
pub(crate) fn fault(far: u64, esr: u64, pc: u64, disabled: bool) -> ! {
    if is_ending() {
        // The end itself faults: leave it to the kernel.
        entry::give_up();
    }
    console::finish_at_once();
    let cause = match disabled {
        true => FaultCause::WhileDisabled,
        false if runs_over(esr, far) => FaultCause::StackOverflow,
        false => FaultCause::Exception,
    };
    end(&Message::Fault(Fault {
        cause,
        esr,
        far,
        pc,
        thread: running().map_or([0; 16], |name| name.0),
    }))
}

/// Whether the fault is an access behind the end of a stack. Other exceptions leave an earlier one's address in the register.
fn runs_over(esr: u64, far: u64) -> bool {
    let is_access = matches!(
        thread::exception::kind_of([esr, far]),
        thread::exception::Kind::PageFault { .. }
    );
    is_access && (entry::in_stack_guard(far) || thread::exception::is_overflow(far))
}

/// The name of the thread that runs, unless it is the main thread.
pub(crate) fn running() -> Option<thread::Name> {
    scheduler::with_disabled(|book| {
        let current = book.threads.current();
        let other = current.filter(|id| *id != threads::Id::MAIN);
        other.map(|id| book.threads.name(id))
    })
}

/// Every thread waits, and nothing can wake any: the dispatcher is disabled.
pub(crate) fn stuck() -> ! {
    console::finish_at_once();
    let name = DomainName::own();
    console::emergency(format_args!(
        "{name}: no thread can ever run again, each waits for another:\n"
    ));
    scheduler::with_disabled(|book| {
        for id in book.threads.ids() {
            let Some(key) = book.threads.waits_for(id) else {
                continue;
            };
            console::emergency(format_args!(
                "{name}: thread {} waits for {}\n",
                book.threads.name(id),
                thread::What(key)
            ));
        }
    });
    end(&Message::Exit {
        status: initproto::STATUS_PANIC,
    })
}

/// Whether the domain is ending.
pub(crate) fn is_ending() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

/// Sends the last message, or parks when it is sent. Called disabled.
pub(crate) fn finish() -> ! {
    let count = COUNT.load(Ordering::Relaxed);
    if count == SENT {
        entry::park(false);
    }
    let mut words = [0; LMP_WORDS];
    for (word, place) in words.iter_mut().zip(&WORDS) {
        *word = place.load(Ordering::Relaxed);
    }
    let message = words.get(..count).unwrap_or_default();
    match lmp::send(INITEP, message, None, kpi::syscall::SendFlags(0)) {
        Ok(()) => {
            COUNT.store(SENT, Ordering::Relaxed);
            entry::park(false)
        }
        Err(error) if is_transient(error) => entry::park(true),
        Err(error) => alone(message, error),
    }
}

/// Nobody listens.
fn alone(message: &[u64], error: Error) -> ! {
    let name = DomainName::own();
    let message = Message::decode(message);
    match message {
        Some(Message::Fault(fault)) => console::emergency(format_args!(
            "{name}: {fault}, at [{name}:{:#x}]\n",
            fault.pc
        )),
        Some(Message::Exit { status }) => {
            console::emergency(format_args!("{name}: ended with status {status}\n"));
        }
        _ => {}
    }
    if cap::identify(CapRef::task(task::KERNELCAP)).is_ok() {
        console::emergency(format_args!("{name}: the system cannot go on without it\n"));
        last_record(name, message);
        // Comes back only when the kernel refuses.
        let _ = cap::kernel::shutdown();
    } else {
        console::emergency(format_args!("{name}: cannot report its end: {error}\n"));
    }
    entry::give_up()
}

/// Tells hake that the system ends because init did.
fn last_record(name: DomainName, message: Option<Message>) {
    let (kind, fault) = match message {
        Some(Message::Fault(fault)) => (fault.name(), Some(fault)),
        _ => ("exit", None),
    };
    let word = |word: fn(&Fault) -> u64| fault.as_ref().map_or(0, word);
    let mut writer = Writer::new(Kind::Fault);
    writer
        .display("domain", name)
        .int("pid", 1)
        .int("core", dispatcher::core_id())
        .str("kind", kind)
        .int("esr", word(|fault| fault.esr))
        .int("far", word(|fault| fault.far))
        .int("pc", word(|fault| fault.pc));
    if let Ok(json) = writer.finish() {
        let _ = record::print(json);
    }
}
