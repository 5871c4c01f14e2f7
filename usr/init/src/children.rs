//! Starting programs, waiting for their end, killing them.
//!
//! Each child reports to an endpoint of its own, so that none can speak for another. When a child has ended, all copies of its
//! endpoint are revoked, and it is used for the next one. The memory of a trusted child is revoked too: whatever it made of it,
//! domains of its own among them, ends with it.

use crate::input::{Input, POLL_INTERVAL};
use crate::outcome::{self, Outcome};
use crate::records;
use alloc::vec::Vec;
use aos::cap::{CNodeRef, CapRef, cap_revoke, kernel};
use aos::error::ResultExt;
use aos::exit::DomainName;
use aos::initproto::{Message, RecordAssembler};
use aos::kpi::lmp::{KernelNote, LMP_DEFAULT_BUFFER_WORDS};
use aos::kpi::slots::{root, task};
use aos::lmp::{Endpoint, endpoint_create};
use aos::spawn::{Domain, Grant, Place, Program, SpawnError, spawn_load_with_caps};
use aos::testproto::{Kind, Record};
use aos::{Error, ErrorCode, event, println, ram, record, time};

/// init's own number.
pub const INIT_PID: u32 = 1;
/// Domain ids that init sets have this bit, so that none equals an id that the kernel gave to a child's child.
const ID_BASE: u64 = 1 << 30;
/// Words of the buffer for the kernel's notes.
const NOTE_WORDS: u32 = 257;
/// Memory of a trusted child.
const TRUSTED_BYTES: u64 = 128 << 20;

/// How much a child may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// A program: nothing but its own domain.
    Plain,
    /// A module that the boot menu marks `boot`: memory of its own, the boot modules, records.
    Trusted,
    /// A module that the boot menu marks `kernel`: as trusted, and authority over kernel, interrupts, cores and devices.
    Kernel,
}

/// What ends the wait for a child besides its own end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-C, or this counter value.
    Deadline(u64),
}

/// The children, and what is needed to have some.
#[derive(Debug)]
pub struct Children {
    /// The console, which a running child shares with the prompt.
    pub input: Input,
    notes: Endpoint,
    spare: Vec<Endpoint>,
    next_pid: u32,
    running: Option<(u32, DomainName)>,
    /// Memory and capabilities in use when the hidden command `balance` was first given.
    pub balance: Option<(u64, u64)>,
}

impl Children {
    /// None yet; registers for the kernel's notes.
    ///
    /// # Errors
    /// Why the endpoint could not be made or registered.
    pub fn new() -> Result<Self, Error> {
        let notes = endpoint_create(NOTE_WORDS)?;
        kernel::register(notes.cap())?;
        Ok(Self {
            input: Input::new(),
            notes,
            spare: Vec::new(),
            next_pid: INIT_PID + 1,
            running: None,
            balance: None,
        })
    }

    /// The domains that run: pid and name.
    pub fn running(&self) -> impl Iterator<Item = (u32, DomainName)> {
        let init = (INIT_PID, DomainName::own());
        core::iter::once(init).chain(self.running)
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// Why it could not be started.
    pub fn run(
        &mut self,
        elf: &[u8],
        args: &[&str],
        trust: Trust,
        limit: Limit,
    ) -> Result<(DomainName, u32, Outcome), SpawnError> {
        let endpoint = match self.spare.pop() {
            Some(endpoint) => endpoint,
            None => endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?,
        };
        let memory = match trust {
            Trust::Plain => None,
            Trust::Trusted | Trust::Kernel => Some(ram::mm_alloc(TRUSTED_BYTES)?),
        };
        let domain = match self.start(elf, args, trust, memory, &endpoint) {
            Ok(domain) => domain,
            Err(error) => {
                // It never ran.
                self.spare.push(endpoint);
                if let Some(memory) = memory {
                    let _ = ram::mm_free(memory);
                }
                return Err(error);
            }
        };
        let (name, pid) = (domain.name(), domain.pid());
        self.running = Some((pid, name));
        let outcome = self.wait(pid, &endpoint, trust, limit);
        self.running = None;
        let destroyed = domain.destroy().and_then(|()| match memory {
            Some(memory) => cap_revoke(memory).and_then(|()| ram::mm_free(memory)),
            None => Ok(()),
        });
        if let Err(error) = destroyed.and_then(|()| cap_revoke(endpoint.cap())) {
            println!("{name} (pid {pid}): could not be taken apart: {error}");
        } else {
            while endpoint.receive().is_some() {}
            self.spare.push(endpoint);
        }
        // The note of the dispatcher's deletion.
        let _ = self.note_about(pid);
        Ok((name, pid, outcome))
    }

    fn start(
        &mut self,
        elf: &[u8],
        args: &[&str],
        trust: Trust,
        memory: Option<CapRef>,
        endpoint: &Endpoint,
    ) -> Result<Domain, SpawnError> {
        let pid = self.next_pid;
        self.next_pid = pid
            .checked_add(1)
            .ok_or(Error::new(ErrorCode::SpawnDomainAllocate))?;
        let mut grants: Vec<Grant> = memory.map(trusted_grants).into_iter().flatten().collect();
        if trust == Trust::Kernel {
            grants.extend(KERNEL_GRANTS);
        }
        let domain = spawn_load_with_caps(&Program {
            name: args.first().copied().unwrap_or("?"),
            elf,
            args,
            env: &[],
            pid,
            report_to: Some(endpoint.cap()),
            grants: &grants,
        })?;
        let started = kernel::set_domain_id(domain.dispatcher(), ID_BASE | u64::from(pid))
            .push_err(ErrorCode::SpawnSetupDispatcher)
            .and_then(|()| domain.start());
        match started {
            Ok(()) => Ok(domain),
            Err(error) => {
                // The first error counts.
                let _ = domain.destroy();
                Err(error.into())
            }
        }
    }

    /// Waits for a child's end.
    fn wait(&mut self, pid: u32, endpoint: &Endpoint, trust: Trust, limit: Limit) -> Outcome {
        let mut assembler = RecordAssembler::default();
        let mut complained = false;
        loop {
            let snapshot = event::snapshot();
            while let Some(message) = endpoint.receive() {
                match Message::decode(message.words()) {
                    Some(Message::Exit { status }) => return Outcome::Exited(status),
                    Some(Message::Fault(fault)) => return Outcome::Faulted(fault),
                    Some(Message::Record {
                        bytes,
                        length,
                        last,
                    }) if trust != Trust::Plain => {
                        let chunk = bytes.get(..usize::from(length)).unwrap_or_default();
                        assembler.feed(chunk, last, relay);
                    }
                    _ if complained => {}
                    _ => {
                        println!("init: pid {pid} sends messages that it may not send");
                        complained = true;
                    }
                }
            }
            if let Some(outcome) = self.note_about(pid) {
                return outcome;
            }
            let deadline = time::after(POLL_INTERVAL);
            let late = matches!(limit, Limit::Deadline(at) if time::now() >= at);
            if self.input.interrupted() {
                println!("^C");
                return Outcome::Killed;
            }
            if late {
                return Outcome::Killed;
            }
            event::wait_until(snapshot, Some(deadline));
        }
    }

    /// Takes the kernel's notes; answers with the one about this child, tells the others.
    fn note_about(&self, pid: u32) -> Option<Outcome> {
        let mut about = None;
        while let Some(note) = self.notes.receive() {
            let Some((id, outcome)) = decode_note(note.words()) else {
                println!("init: the kernel sent a note that is not known here");
                continue;
            };
            if id == ID_BASE | u64::from(pid) {
                about = about.or(Some(outcome));
            } else {
                outcome.tell_stranger(id);
            }
        }
        about
    }

    /// Tells what the kernel noted while no child runs.
    pub fn tell_notes(&self) {
        // Pid 0 is nobody's.
        let _ = self.note_about(0);
    }
}

/// A note: whose, and what.
fn decode_note(words: &[u64]) -> Option<(u64, Outcome)> {
    let (kind, rest) = words.split_first()?;
    let (id, rest) = rest.split_first()?;
    if *kind == KernelNote::Death as u64 {
        Some((*id, Outcome::Died))
    } else if *kind == KernelNote::Fault as u64 {
        Some((*id, outcome::from_note(rest)))
    } else {
        None
    }
}

/// Passes a trusted child's record on. Kinds that are init's and the kernel's to send are refused.
fn relay(json: Option<&str>) {
    let record = json.and_then(|json| Record::parse(json).ok().map(|record| (json, record)));
    match record {
        Some((json, parsed))
            if matches!(
                parsed.kind,
                Kind::Test | Kind::Bench | Kind::Grade | Kind::End
            ) =>
        {
            aos::console::flush();
            let _ = record::print(json);
        }
        _ => println!("init: a test program sent what is no record of its own"),
    }
}

/// What a trusted child gets.
fn trusted_grants(memory: CapRef) -> [Grant; 3] {
    [
        Grant {
            cap: memory,
            place: Place::Task(task::SYSMEM),
        },
        Grant {
            cap: CapRef::task(task::BOOTINFO),
            place: Place::Task(task::BOOTINFO),
        },
        Grant {
            cap: CNodeRef::ROOT.slot(root::MODULECN),
            place: Place::Root(root::MODULECN),
        },
    ]
}

/// What a child gets that is trusted as the kernel is: capabilities of the task CNode, and those of devices.
const KERNEL_GRANTS: [Grant; 6] = [
    task_grant(task::KERNELCAP),
    task_grant(task::IRQ),
    task_grant(task::IPI),
    task_grant(task::PERF_MON),
    task_grant(task::PROC_MNG),
    Grant {
        cap: CNodeRef::ROOT.slot(root::PACN),
        place: Place::Root(root::PACN),
    },
];

const fn task_grant(slot: u8) -> Grant {
    Grant {
        cap: CapRef::task(slot),
        place: Place::Task(slot),
    }
}

/// Reports that a program ran to its end: to the user, and as the command's status.
pub fn conclude(ended: (DomainName, u32, Outcome)) -> u8 {
    let (name, pid, outcome) = ended;
    aos::console::flush();
    outcome.tell(name, pid);
    outcome.status()
}

/// As [`conclude`], with the record of a command.
pub fn conclude_command(line: &str, status: u8) {
    records::command(line, status);
}
