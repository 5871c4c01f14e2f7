//! Records for hake (contracts: records from the guest).
//!
//! Only the kernel can print one. init asks it directly, with the Kernel capability; the test programs that init starts at
//! boot send theirs to init, which passes them on.

use crate::cap::{CapRef, invoke};
use crate::error::{Error, ErrorCode};
use crate::{exit, lmp};
use initproto::record_chunks;
use kpi::invocation::{KernelCommand, RECORD_MAX};
use kpi::slots::task;

/// Has the kernel print a record. Needs the Kernel capability.
///
/// # Errors
/// `LIB_ERR_MSGBUF_OVERFLOW` when it is longer than [`RECORD_MAX`]; those of the invocation.
pub fn print(json: &str) -> Result<(), Error> {
    if json.len() as u64 > RECORD_MAX {
        return Err(Error::new(ErrorCode::LibMsgbufOverflow));
    }
    let kernel = CapRef::task(task::KERNELCAP);
    let command = KernelCommand::Record;
    let buffer = [json.as_ptr() as u64, json.len() as u64];
    invoke(kernel, command as u8, command.argc(), &buffer).map(|_| ())
}

/// Sends a record to init.
///
/// # Errors
/// `LIB_ERR_MSGBUF_OVERFLOW` when it is longer than [`RECORD_MAX`]; `LIB_ERR_LMP_CHAN_SEND`.
pub fn send(json: &str) -> Result<(), Error> {
    if json.len() as u64 > RECORD_MAX {
        return Err(Error::new(ErrorCode::LibMsgbufOverflow));
    }
    crate::console::flush();
    for chunk in record_chunks(json.as_bytes()) {
        let (words, count) = chunk.encode();
        let words = words.get(..count).unwrap_or_default();
        lmp::send_waiting(exit::INITEP, words, None)?;
    }
    Ok(())
}
