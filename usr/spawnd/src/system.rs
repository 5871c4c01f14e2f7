//! The machine, for those who operate it: [`services::system`].
//!
//! The log keeps the last [`LINES`] lines: what became of services, and how processes ended that did not end by themselves.

use crate::light::Light;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;
use aos::boot::Boot;
use aos::cap::{AnyCap, kernel};
use aos::flounder::{Caller, Limits};
use aos::service::{Host, Next};
use aos::testproto::{Kind, Writer};
use aos::{Error, ErrorCode, record, time};
use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use services::system::{Logged, ModuleAbout, NAME, System, SystemServer};

/// Lines that the log keeps.
const LINES: usize = 256;
/// Longest line of the log, in bytes.
const LINE_BYTES: usize = 160;
/// Files that one answer tells of.
const PAGE: usize = 32;
/// Most clients at once.
const CLIENTS: usize = 16;
/// How much each may use.
const LIMITS: Limits = Limits {
    message_bytes: 48 << 10,
    caps: 1,
    queued_bytes: 48 << 10,
    calls: 4,
};

/// What the process server knows and this service tells.
#[derive(Default)]
pub struct Known {
    log: RefCell<VecDeque<Logged>>,
    operators: RefCell<BTreeSet<u32>>,
}

impl Known {
    /// Adds a line to the log.
    pub fn note(&self, text: &str) {
        let mut log = self.log.borrow_mut();
        if log.len() >= LINES {
            log.pop_front();
        }
        log.push_back(Logged {
            micros: time::micros(time::now()),
            text: shortened(text).to_string(),
        });
    }

    /// These are the operators.
    pub fn set_operators(&self, pids: impl Iterator<Item = u32>) {
        *self.operators.borrow_mut() = pids.collect();
    }
}

/// At most as long as a line of the log.
fn shortened(text: &str) -> &str {
    let mut end = text.len().min(LINE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The service.
struct Machine {
    boot: &'static Boot,
    known: Rc<Known>,
    clients: BTreeMap<u64, u32>,
    light: Option<Light>,
}

/// Fails unless the caller is an operator.
fn check(known: &Known, clients: &BTreeMap<u64, u32>, caller: Caller) -> Result<(), Error> {
    let pid = clients.get(&caller.connection);
    let operators = known.operators.borrow();
    match pid {
        Some(pid) if operators.contains(pid) => Ok(()),
        _ => Err(Error::new(ErrorCode::ProcMgmtNotOperator)),
    }
}

impl System<AnyCap> for Machine {
    fn modules(&mut self, from: u32) -> Result<Vec<ModuleAbout>, Error> {
        let all = self.boot.modules().skip(from as usize).take(PAGE);
        let about = all.map(|module| ModuleAbout {
            name: module.name().to_string(),
            bytes: module.file_bytes(),
            args: module.args().to_string(),
        });
        Ok(about.collect())
    }

    fn module(&mut self, name: &str) -> Result<(AnyCap, u64), Error> {
        let module = self.boot.module(name)?;
        Ok((AnyCap::copy_of(module.frame())?, module.file_bytes()))
    }

    fn log(&mut self, most: u32) -> Result<Vec<Logged>, Error> {
        let log = self.known.log.borrow();
        let skipped = log.len().saturating_sub(most as usize);
        Ok(log.iter().skip(skipped).cloned().collect())
    }

    fn light(&mut self, caller: Caller, wish: Option<bool>) -> Result<Option<bool>, Error> {
        let Some(light) = &mut self.light else {
            return Ok(None);
        };
        if let Some(is_on) = wish {
            check(&self.known, &self.clients, caller)?;
            light.set(is_on);
        }
        Ok(Some(light.is_high()))
    }

    fn concluded(&mut self, caller: Caller, line: &str, status: u8) -> Result<(), Error> {
        check(&self.known, &self.clients, caller)?;
        let mut writer = Writer::new(Kind::Cmd);
        writer.str("line", shortened(line)).int("status", status);
        match writer.finish() {
            Ok(json) => record::print(json),
            Err(_) => Err(Error::new(ErrorCode::LibMsgbufOverflow)),
        }
    }

    fn end(&mut self, caller: Caller, resets: bool) -> Result<(), Error> {
        check(&self.known, &self.clients, caller)?;
        // They come back with an error only.
        Err(match resets {
            true => kernel::reboot(),
            false => kernel::shutdown(),
        })
    }

    fn closed(&mut self, connection: u64) {
        self.clients.remove(&connection);
    }
}

/// Serves it, for ever.
///
/// # Errors
/// As [`Host::new`], [`Host::register_later`].
pub fn serve(
    boot: &'static Boot,
    known: Rc<Known>,
    light: Option<Light>,
) -> Result<Pin<Box<dyn Future<Output = ()>>>, Error> {
    let mut host = Host::new(CLIENTS, LIMITS)?;
    host.register_later(NAME, "")?;
    let mut server = SystemServer(Machine {
        boot,
        known,
        clients: BTreeMap::new(),
        light,
    });
    Ok(Box::pin(async move {
        host.serve(&mut server, |server, round| {
            server.0.clients.extend(round.opened.iter().copied());
            Next::Serve
        })
        .await;
    }))
}
