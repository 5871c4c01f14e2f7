//! What the tests have: memory, the boot modules, children.

use crate::harness::Failure;
use alloc::vec::Vec;
use aos::account::Account;
use aos::boot::{Boot, File};
use aos::cap::CapRef;
use aos::initproto::Message;
use aos::kpi::cap::ObjType;
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::slots::task;
use aos::lmp::{Endpoint, endpoint_create};
use aos::spawn::{
    Domain, Grant, Place, Program, spawn_load_argv, spawn_load_by_name, spawn_load_with_caps,
};
use aos::{Error, event, ram, time};
use core::cell::Cell;
use core::time::Duration;

/// How long a child may take, in the machine's time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Memory of a child that maps something.
const CHILD_BYTES: u64 = 256 << 10;

/// A child and where it reports.
pub struct Child {
    /// The domain.
    pub domain: Domain,
    endpoint: Endpoint,
}

impl Child {
    /// Waits for its report; `None` when none comes in time.
    pub fn wait(&self) -> Option<Message> {
        self.wait_for(PATIENCE)
    }

    /// As [`Child::wait`], with a patience of its own.
    pub fn wait_for(&self, patience: Duration) -> Option<Message> {
        let deadline = time::after(patience);
        loop {
            let snapshot = event::snapshot();
            if let Some(message) = self.endpoint.receive() {
                return Message::decode(message.words());
            }
            if time::now() >= deadline {
                return None;
            }
            event::wait_until(snapshot, Some(deadline));
        }
    }
}

/// The tests' surroundings.
pub struct World {
    boot: &'static Boot,
    own: File,
    next_pid: Cell<u32>,
}

impl World {
    /// Takes the memory that init gave and maps what is needed.
    pub fn new() -> Result<Self, Error> {
        ram::add_system_memory()?;
        let boot = Boot::of_trusted()?;
        let module = boot.module("tests")?;
        Ok(Self {
            boot,
            own: module.open()?,
            next_pid: Cell::new(100),
        })
    }

    /// Makes a child that plays a part of this program; `shared` is its first argument capability, and it gets memory for
    /// page tables.
    pub fn child(&self, part: &str, shared: Option<CapRef>) -> Result<Child, Failure> {
        let mut grants = Vec::new();
        let account = Account::new();
        if let Some(cap) = shared {
            grants.push(Grant {
                cap,
                place: Place::Argument(0),
            });
            grants.push(Grant {
                cap: account.object(ObjType::Ram, CHILD_BYTES)?,
                place: Place::Task(task::SYSMEM),
            });
        }
        self.make(
            "tests",
            &self.own,
            &["tests", "--child", part],
            &grants,
            &account,
        )
    }

    /// Starts a program from the boot image and waits for its report.
    pub fn run(&self, name: &str, args: &[&str]) -> Result<Option<Message>, Failure> {
        let module = self.boot.module(name)?;
        let elf = module.open()?;
        let child = self.make(name, &elf, args, &[], &Account::new())?;
        elf.close()?;
        child.domain.start()?;
        let message = child.wait();
        child.domain.destroy()?;
        Ok(message)
    }

    /// Looks at the file of a program from the boot image.
    pub fn with_elf<T>(
        &self,
        name: &str,
        look: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let module = self.boot.module(name)?;
        let elf = module.open()?;
        let seen = look(&elf);
        elf.close()?;
        seen
    }

    /// Makes a domain, which does not run yet.
    pub fn make(
        &self,
        name: &str,
        elf: &[u8],
        args: &[&str],
        grants: &[Grant],
        account: &Account,
    ) -> Result<Child, Failure> {
        let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
        let pid = self.next_pid.get();
        self.next_pid.set(pid + 1);
        let domain = spawn_load_with_caps(&Program {
            name,
            elf,
            args,
            env: &["TEST=1"],
            pid,
            report_to: Some(endpoint.cap()),
            served: false,
            grants,
            account,
        })?;
        Ok(Child { domain, endpoint })
    }

    /// Makes a domain from a boot module: its name, then its arguments. It does not run yet.
    pub fn argv(&self, args: &[&str]) -> Result<Child, Failure> {
        let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
        let pid = self.next_pid.get();
        self.next_pid.set(pid + 1);
        let report_to = Some(endpoint.cap());
        let domain = match args {
            // Without arguments of its own, with those of the boot menu.
            [name] => spawn_load_by_name(self.boot, name, pid, report_to)?,
            args => spawn_load_argv(self.boot, args, pid, report_to)?,
        };
        Ok(Child { domain, endpoint })
    }

    /// A program's ELF file.
    pub fn elf(&self) -> &[u8] {
        &self.own
    }
}

/// Waits that long.
pub fn sleep(duration: Duration) {
    let deadline = time::after(duration);
    while time::now() < deadline {
        event::wait_until(event::snapshot(), Some(deadline));
    }
}
