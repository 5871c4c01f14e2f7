//! Interrupt lines: gives each to one driver at a time, and takes it back when that ends: a domain around [`services::interrupts`].
//!
//! `module /sbin/gicd supervised ready=dev/irq irq`: its first capability is the IRQTable, from which all lines can be had. It touches no register: the kernel
//! has the interrupt controller, and does with a line what the holder of its capability asks for.
//!
//! When it is started again it knows nothing of the lines that were given before; drivers that use it are to be started again with it (`with=gicd`).
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;
use aos::cap::irq::{Trigger, irq_connect, irq_dest_alloc_from};
use aos::cap::{AnyCap, CapRef, cap_destroy, cap_revoke};
use aos::lmp::{Endpoint, MIN_BUFFER_WORDS, endpoint_create};
use aos::proc::passed;
use aos::service::{Host, Next};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, ErrorCode, flounder};
use services::interrupts::{Controller, InterruptService, InterruptsServer, NAME};

/// Most clients at once: drivers, and who lists the lines.
const CLIENTS: usize = 32;
/// Messages are short.
const LIMITS: flounder::Limits = flounder::Limits {
    message_bytes: 16 << 10,
    caps: 1,
    queued_bytes: 16 << 10,
    calls: 4,
};

/// The lines that were given, and what takes them over to disable them.
struct Lines {
    table: CapRef,
    given: BTreeMap<u32, CapRef>,
    receiver: Endpoint,
}

impl Controller for Lines {
    type Cap = AnyCap;

    fn give(&mut self, line: u32) -> Result<AnyCap, Error> {
        let own = slot_alloc()?;
        let made = irq_dest_alloc_from(self.table, own, line.into());
        if let Err(error) = made {
            // The slot is empty.
            let _ = slot_free(own);
            return Err(error);
        }
        match AnyCap::copy_of(own) {
            Ok(copy) => {
                self.given.insert(line, own);
                Ok(copy)
            }
            Err(error) => {
                let _ = cap_destroy(own);
                Err(error)
            }
        }
    }

    fn take_back(&mut self, line: u32) -> Result<(), Error> {
        let own = self.given.get(&line).copied();
        let own = own.ok_or(Error::new(ErrorCode::SysIrqInvalid))?;
        // The driver's copies go, then its place as the receiver; and a line without a receiver is disabled.
        cap_revoke(own)?;
        irq_connect(own, self.receiver.cap(), Trigger::Edge)?;
        self.receiver.renew()?;
        self.given.remove(&line);
        cap_destroy(own)
    }
}

#[aos::main]
fn main() -> Result<(), Error> {
    let table = passed(0).ok_or(Error::new(ErrorCode::SysIrqNotIrqType))?;
    let lines = Lines {
        table,
        given: BTreeMap::new(),
        receiver: endpoint_create(MIN_BUFFER_WORDS)?,
    };
    let mut service = InterruptsServer(InterruptService::new(lines));
    let mut host = Host::new(CLIENTS, LIMITS)?;
    host.register(NAME, "{}")?;
    host.run(&mut service, |service, round| {
        for (connection, pid) in &round.opened {
            service.0.opened(*connection, *pid);
        }
        Next::Serve
    });
    Ok(())
}
