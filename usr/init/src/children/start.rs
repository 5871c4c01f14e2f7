//! Starting a program: a domain in an account of its own, with an endpoint of its own, in the table of children.

use super::child::{Channel, Child};
use super::trust::{KERNEL_GRANTS, trusted_grants};
use super::{Children, ID_BASE, Trust};
use alloc::vec::Vec;
use aos::account::Account;
use aos::cap::kernel;
use aos::error::ResultExt;
use aos::lmp::Endpoint;
use aos::spawn::{Domain, Grant, Program, SpawnError, spawn_load_with_caps};
use aos::{Error, ErrorCode};
use proctable::{Reserved, TableError};

/// What is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The ELF file.
    pub elf: &'a [u8],
    /// The arguments, the program's name first.
    pub args: &'a [&'a str],
    /// The environment.
    pub env: &'a [&'a str],
    /// How much it may do.
    pub trust: Trust,
    /// Whether its end is told at the prompt.
    pub background: bool,
    /// Whether it may be what all others rely on.
    pub is_service: bool,
}

impl<'a> Start<'a> {
    /// A plain program, with these arguments, that is waited for.
    pub const fn new(elf: &'a [u8], args: &'a [&'a str]) -> Self {
        Self {
            elf,
            args,
            env: &[],
            trust: Trust::Plain,
            background: false,
            is_service: false,
        }
    }
}

impl Children {
    /// Starts a program; answers with its number.
    ///
    /// # Errors
    /// Why it could not be started; `PROC_MGMT_ERR_TOO_MANY`: there are [`MAX_CHILDREN`] already.
    pub fn start(&mut self, start: &Start<'_>) -> Result<u32, SpawnError> {
        self.start_with(start, &[])
    }

    /// As [`Children::start`], with more capabilities.
    pub(super) fn start_with(
        &mut self,
        start: &Start<'_>,
        passed: &[Grant],
    ) -> Result<u32, SpawnError> {
        let reserved = self.table.reserve().map_err(table_error)?;
        let channel = match self.spare.pop() {
            Some(channel) => channel,
            None => Channel::new()?,
        };
        match self.make(&reserved, start, passed, &channel.endpoint) {
            Ok(domain) => {
                let name = domain.name();
                let child = Child::new(domain, channel, start);
                match self.table.add(reserved, name, child) {
                    Ok(pid) => Ok(pid),
                    // There was room when the number was reserved.
                    Err(child) => {
                        let _ = child.domain.destroy();
                        Err(table_error(TableError::Full).into())
                    }
                }
            }
            Err(error) => {
                // It never ran.
                self.spare.push(channel);
                Err(error)
            }
        }
    }

    fn make(
        &self,
        reserved: &Reserved,
        start: &Start<'_>,
        passed: &[Grant],
        endpoint: &Endpoint,
    ) -> Result<Domain, SpawnError> {
        let pid = reserved.pid();
        let account = Account::new();
        let mut grants = Vec::from(passed);
        if start.trust != Trust::Plain {
            grants.extend(trusted_grants(&account, self.trusted_bytes)?);
        }
        if start.trust == Trust::Kernel {
            grants.extend(KERNEL_GRANTS);
        }
        let domain = spawn_load_with_caps(&Program {
            name: start.args.first().copied().unwrap_or("?"),
            elf: start.elf,
            args: start.args,
            env: start.env,
            pid,
            report_to: Some(endpoint.cap()),
            served: true,
            grants: &grants,
            account: &account,
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
}

fn table_error(error: TableError) -> Error {
    Error::new(match error {
        TableError::Full => ErrorCode::ProcMgmtTooMany,
        TableError::NoNumber => ErrorCode::SpawnDomainAllocate,
    })
}
