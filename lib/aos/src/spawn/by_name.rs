//! New domains from boot modules.

use super::{Domain, Program, SpawnError, spawn_load_with_caps};
use crate::account::Account;
use crate::boot::Boot;
use crate::cap::CapRef;
use crate::error::{Error, ErrorCode, ResultExt};
use alloc::string::String;
use alloc::vec::Vec;

/// Makes a domain of the boot module that `args` begins with, with these arguments. `pid` is its number, as the caller counts;
/// `report_to` the endpoint for its report. It does not run before [`Domain::start`].
///
/// # Errors
/// `SPAWN_ERR_FIND_MODULE` (without arguments, too), `SPAWN_ERR_MAP_MODULE`, and those of [`spawn_load_with_caps`].
pub fn spawn_load_argv(
    boot: &Boot,
    args: &[&str],
    pid: u32,
    report_to: Option<CapRef>,
) -> Result<Domain, SpawnError> {
    let name = args.first().copied();
    let name = name.ok_or(Error::new(ErrorCode::SpawnFindModule))?;
    let module = boot.module(name)?;
    let file = module.open()?;
    let made = spawn_load_with_caps(&Program {
        name: module.name(),
        elf: &file,
        args,
        env: &[],
        pid,
        report_to,
        served: false,
        grants: &[],
        account: &Account::new(),
    });
    file.close().push_err(ErrorCode::SpawnUnmapModule)?;
    made
}

/// As [`spawn_load_argv`], with the arguments of the boot menu behind the name.
///
/// # Errors
/// As [`spawn_load_argv`]; `SPAWN_ERR_GET_CMDLINE_ARGS`.
pub fn spawn_load_by_name(
    boot: &Boot,
    name: &str,
    pid: u32,
    report_to: Option<CapRef>,
) -> Result<Domain, SpawnError> {
    let words = boot.module(name)?.words()?;
    let words = words.iter().map(String::as_str);
    let args: Vec<&str> = core::iter::once(name).chain(words).collect();
    spawn_load_argv(boot, &args, pid, report_to)
}
