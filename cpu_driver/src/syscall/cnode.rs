//! Invocations of CNodes: everything that moves capabilities. The invoked CNode must be a root (L1CNode): all addresses are
//! resolved in it.

use caps::{CteRef, Flags, ResizeArgs, RetypeArgs, Store};
use errors::{Error, ErrorCode};
use kpi::addr::CapLevel;
use kpi::cap::ObjType;
use kpi::invocation::{CNodeCommand, RetypeWord};
use kpi::layout::L2CNODE_BYTES;
use kpi::rights::CapRights;

use super::{EMPTYING, Invocation, stepped};
use crate::kernel::{Handled, Kernel, Reply};

impl Kernel {
    #[inline(never)]
    pub(super) fn invoke_cnode(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = CNodeCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        let (root, args) = (invocation.slot, invocation.args);
        match command {
            CNodeCommand::Copy => self.copy(root, args, None),
            CNodeCommand::Mint => {
                let [.., first, second, _] = args;
                self.copy(root, args, Some((*first, *second)))
            }
            CNodeCommand::Retype => self.retype(root, args, false),
            CNodeCommand::Delete => {
                let slot = self.find_to_empty(root, args)?;
                Ok(stepped(self.db.delete(&mut self.env, slot)?))
            }
            CNodeCommand::Revoke => {
                let slot = self.find_to_empty(root, args)?;
                Ok(stepped(self.db.revoke(&mut self.env, slot)?))
            }
            CNodeCommand::GetState => {
                let [address, level, ..] = args;
                let slot = self.find_any(root, *address, *level, CapRights::READ)?;
                let state = self.db.state_of(&self.env, slot);
                let busy = state.flags.has(Flags::LOCKED.with(Flags::IN_DELETE));
                Ok(Reply::value(
                    u64::from(state.owner != self.env.core) | u64::from(busy) << 1,
                ))
            }
            CNodeCommand::GetSize => match invocation.cap.objtype() {
                ObjType::L1CNode => Ok(Reply::value(invocation.cap.size())),
                _ => Ok(Reply::value(L2CNODE_BYTES)),
            },
            CNodeCommand::CapIdentify => {
                let [address, level, ..] = args;
                let slot = self.find(root, *address, *level, CapRights::READ)?;
                Ok(Reply::Done(self.db.identify(&self.env, slot)?.to_words()))
            }
            CNodeCommand::Create => {
                let [objtype, _bytes, cnode, level, slot, ..] = *args;
                if objtype != ObjType::Id as u64 {
                    return Err(ErrorCode::SysTypeNotCreatable.into());
                }
                let dest = self.locate_destination(root, cnode, level, slot)?;
                self.db.create(&mut self.env, ObjType::Id as u8, dest)?;
                Ok(Reply::OK)
            }
            CNodeCommand::Resize => {
                let [new, cnode, slot, ..] = *args;
                let holder = invocation.caller.cspace();
                let request = ResizeArgs {
                    root,
                    new: self.locate(holder, new, 2)?,
                    returned: self.locate_destination(holder, cnode, 1, slot)?,
                    holder,
                };
                Ok(stepped(self.db.resize(&mut self.env, request)?))
            }
        }
    }

    /// The slot that Delete and Revoke name: in a CNode, which must be writable. (The slot of the invoked CNode was found by reading.)
    fn find_to_empty(&self, root: CteRef, args: &[u64; 10]) -> Result<CteRef, Error> {
        let [address, level, ..] = *args;
        if level == CapLevel::Root as u64 {
            return Err(ErrorCode::SysCapLookupDepth.into());
        }
        self.find_any(root, address, level, EMPTYING)
    }

    fn copy(&mut self, root: CteRef, args: &[u64; 10], mint: Option<(u64, u64)>) -> Handled {
        let [
            dest_root,
            dest_cnode,
            dest_slot,
            source_root,
            source,
            dest_level,
            source_level,
            ..,
        ] = *args;
        let source_root = self.find_root(root, source_root, ErrorCode::SysSourceRootcnLookup)?;
        let source = self
            .find(source_root, source, source_level, CapRights::READ)
            .map_err(|error| error.push(ErrorCode::SysSourceCapLookup))?;
        let dest_root = self.find_root(root, dest_root, ErrorCode::SysDestRootcnLookup)?;
        let dest = self.find_destination(dest_root, dest_cnode, dest_level, dest_slot)?;
        let _slot = match mint {
            None => self.db.copy(&mut self.env, dest, source)?,
            Some((first, second)) => self.db.mint(&mut self.env, dest, source, first, second)?,
        };
        Ok(Reply::OK)
    }

    #[inline(never)]
    pub(super) fn retype(&mut self, root: CteRef, args: &[u64; 10], from_monitor: bool) -> Handled {
        let [
            source_root,
            source,
            offset,
            word,
            object_bytes,
            count,
            dest_root,
            dest_cnode,
            dest_slot,
            _,
        ] = *args;
        let word = RetypeWord(word);
        let source_root = self.find_root(root, source_root, ErrorCode::SysSourceRootcnLookup)?;
        let source = self
            .find(source_root, source, word.source_level(), CapRights::READ)
            .map_err(|error| error.push(ErrorCode::SysSourceCapLookup))?;
        let dest_root = self.find_root(root, dest_root, ErrorCode::SysDestRootcnLookup)?;
        let dest = self.find_destination(dest_root, dest_cnode, word.dest_level(), dest_slot)?;
        let request = RetypeArgs {
            source,
            objtype: word.objtype(),
            bytes: object_bytes,
            count,
            offset,
            dest,
            from_monitor,
        };
        Ok(stepped(self.db.retype(&mut self.env, request)?))
    }

    /// A root CNode named by an address in `base`, at level L2.
    fn find_root(&self, base: CteRef, word: u64, lookup_error: ErrorCode) -> Result<CteRef, Error> {
        let slot = self
            .find(base, word, 2, CapRights::READ)
            .map_err(|error| error.push(lookup_error))?;
        match self.env.cte(slot).cap().objtype() {
            ObjType::L1CNode => Ok(slot),
            _ => Err(ErrorCode::SysCnodeNotRoot.into()),
        }
    }
}
