//! `test`.
use crate::cli::TestArgs;
use crate::failure::Exit;
use anyhow::Result;
/// `test`.
pub fn test(_args: &TestArgs) -> Result<Exit> {
    Ok(Exit::Bug)
}
