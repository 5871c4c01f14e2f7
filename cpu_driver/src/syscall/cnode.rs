//! Invocations of CNodes: everything that moves capabilities. The invoked CNode must be a root (L1CNode): all addresses are
//! resolved in it.
//!
//! The commands that count have a function each, for the case that nothing is out of the ordinary: roots named by an address are the
//! invoked one, which is the caller's own, and every slot is where it should be. Whatever else there is, errors too, goes to the general
//! function, which starts from the beginning.

use caps::{CteRef, Database, DestSlot, Flags, OpenRoot, ResizeArgs, RetypeArgs, Store};
use errors::{Error, ErrorCode};
use kpi::addr::CapLevel;
use kpi::cap::ObjType;
use kpi::invocation::{CNodeCommand, RetypeWord};
use kpi::layout::L2CNODE_BYTES;
use kpi::rights::CapRights;
use kpi::syscall::CallWord;

use super::{EMPTYING, Invocation, stepped};
use crate::dcb::DcbPtr;
use crate::kernel::{Handled, Kernel, Reply};

/// The lower half of a command's call word.
const fn command_and_length(command: CNodeCommand) -> u16 {
    CallWord::invoke(command as u8, 0, command.argc()).0 as u16
}

/// What stands above command, length and level in the call word of an invocation.
const INVOCATION: u64 = CallWord::invoke(0, 0, 0).0 >> 24;
const COPY: u16 = command_and_length(CNodeCommand::Copy);
const MINT: u16 = command_and_length(CNodeCommand::Mint);
const RETYPE: u16 = command_and_length(CNodeCommand::Retype);
const DELETE: u16 = command_and_length(CNodeCommand::Delete);
const REVOKE: u16 = command_and_length(CNodeCommand::Revoke);
const IDENTIFY: u16 = command_and_length(CNodeCommand::CapIdentify);
const IDENTIFY_BIT: u64 = 0x800;
const _: () = assert!(IDENTIFY as u64 & IDENTIFY_BIT != 0);

impl Kernel {
    /// An invocation of the root CNode in `root`, which was found at level 2, by these words.
    #[inline(always)]
    pub(super) fn invoke_root(
        &mut self,
        word: CallWord,
        root: CteRef,
        caller: DcbPtr,
        words: &mut [u64; 12],
    ) -> Handled {
        let [_, target, args @ ..] = &*words;
        if word.0 >> 24 == INVOCATION {
            // The only one with this bit, and the one that takes least.
            if word.0 & IDENTIFY_BIT != 0 && word.0 as u16 == IDENTIFY {
                return self.identify_below(root, words);
            }
            match word.0 as u16 {
                COPY => return self.copy_within(root, args, *target, caller),
                DELETE => return self.delete_below(root, args),
                RETYPE => return self.retype_within(root, args, *target, caller),
                MINT => return self.mint_within(root, args, *target, caller),
                REVOKE => return self.revoke_below(root, args),
                _ => {}
            }
        }
        self.invoke_object(word, root, caller, words)
    }

    #[inline(never)]
    fn copy_within(
        &mut self,
        root: CteRef,
        args: &[u64; 10],
        target: u64,
        caller: DcbPtr,
    ) -> Handled {
        match self.copied_within(root, args, target, caller) {
            Some((source, dest)) => self.copy_found(source, dest),
            None => self.copy(root, args, None),
        }
    }

    #[inline(never)]
    fn mint_within(
        &mut self,
        root: CteRef,
        args: &[u64; 10],
        target: u64,
        caller: DcbPtr,
    ) -> Handled {
        let [.., first, second, _] = *args;
        match self.copied_within(root, args, target, caller) {
            Some((source, dest)) => self.mint_found(source, dest, first, second),
            None => self.copy(root, args, Some((first, second))),
        }
    }

    #[inline(never)]
    fn retype_within(
        &mut self,
        root: CteRef,
        args: &[u64; 10],
        target: u64,
        caller: DcbPtr,
    ) -> Handled {
        let [source_root, source, _, word, .., dest_root, cnode, index, _] = *args;
        let word = RetypeWord(word);
        let levels = [word.source_level(), word.dest_level()];
        let own = self.open_own(root, [source_root, dest_root], target, caller);
        match own.and_then(|own| self.both_in(own, levels, source, (cnode, index))) {
            Some((source, dest)) => self.retype_found(source, dest, args, false),
            None => self.retype(root, args, false),
        }
    }

    #[inline(never)]
    fn identify_below(&mut self, root: CteRef, words: &mut [u64; 12]) -> Handled {
        let [_, results @ .., _, _, _, _, _, _, _, _] = words;
        let [_, address, level] = *results;
        if let Some(slot) = self.named_below(root, address, level, CapRights::READ) {
            let cap = self.env.cte(slot).cap();
            if Database::shows_all(cap) {
                *results = cap.to_words();
                return Ok(Reply::Answered);
            }
        }
        self.identify(root, address, level)
    }

    #[inline(never)]
    fn delete_below(&mut self, root: CteRef, args: &[u64; 10]) -> Handled {
        let [address, level, ..] = *args;
        match self.named_below(root, address, level, EMPTYING) {
            Some(slot) => self.delete_found(slot),
            None => self.delete(root, address, level),
        }
    }

    #[inline(never)]
    fn revoke_below(&mut self, root: CteRef, args: &[u64; 10]) -> Handled {
        let [address, level, ..] = *args;
        match self.named_below(root, address, level, EMPTYING) {
            Some(slot) => Ok(stepped(self.db.revoke(&mut self.env, slot)?)),
            None => self.revoke(root, address, level),
        }
    }

    /// The slot at that address, if `level` is 2.
    #[inline(always)]
    fn named_below(
        &self,
        root: CteRef,
        address: u64,
        level: u64,
        rights: CapRights,
    ) -> Option<CteRef> {
        if level != 2 {
            return None;
        }
        OpenRoot::of(&self.env, root, rights)?.find(&self.env, address, rights)
    }

    /// The invoked root CNode, if both roots that the arguments name are it: the address `target`, by which the caller found it in its
    /// own CSpace at level 2, leads to it again, because it is the root of that CSpace.
    #[inline(always)]
    fn open_own(
        &self,
        root: CteRef,
        named: [u64; 2],
        target: u64,
        caller: DcbPtr,
    ) -> Option<OpenRoot> {
        let own = OpenRoot::of(&self.env, root, EMPTYING)?;
        let same = named == [target; 2] && own.is_root_in(&self.env, caller.cspace());
        same.then_some(own)
    }

    /// Source and destination of copy and mint.
    #[inline(always)]
    fn copied_within(
        &self,
        root: CteRef,
        args: &[u64; 10],
        target: u64,
        caller: DcbPtr,
    ) -> Option<(CteRef, DestSlot)> {
        let [
            dest_root,
            cnode,
            index,
            source_root,
            source,
            dest_level,
            source_level,
            ..,
        ] = *args;
        let own = self.open_own(root, [source_root, dest_root], target, caller)?;
        self.both_in(own, [source_level, dest_level], source, (cnode, index))
    }

    /// A source at level 2, and a slot of a CNode at level 1.
    #[inline(always)]
    fn both_in(
        &self,
        root: OpenRoot,
        levels: [u64; 2],
        source: u64,
        (cnode, index): (u64, u64),
    ) -> Option<(CteRef, DestSlot)> {
        if levels != [2, 1] {
            return None;
        }
        let source = root.find(&self.env, source, CapRights::READ)?;
        let cnode = root.find_in_root(&self.env, cnode)?;
        let index = u32::try_from(index).ok()?;
        Some((source, DestSlot { cnode, index }))
    }

    #[inline(never)]
    fn copy_found(&mut self, source: CteRef, dest: DestSlot) -> Handled {
        self.db.copy(&mut self.env, dest, source)?;
        Ok(Reply::OK)
    }

    #[inline(never)]
    fn mint_found(&mut self, source: CteRef, dest: DestSlot, first: u64, second: u64) -> Handled {
        self.db.mint(&mut self.env, dest, source, first, second)?;
        Ok(Reply::OK)
    }

    #[inline(never)]
    fn delete_found(&mut self, slot: CteRef) -> Handled {
        Ok(stepped(self.db.delete(&mut self.env, slot)?))
    }

    #[inline(never)]
    #[optimize(size)]
    fn identify(&mut self, root: CteRef, address: u64, level: u64) -> Handled {
        let slot = self.find(root, address, level, CapRights::READ)?;
        let cap = self.db.identify(&self.env, slot)?;
        Ok(self.answer(cap.to_words()))
    }

    #[inline(never)]
    #[optimize(size)]
    fn delete(&mut self, root: CteRef, address: u64, level: u64) -> Handled {
        let slot = self.find_to_empty(root, address, level)?;
        self.delete_found(slot)
    }

    #[inline(never)]
    #[optimize(size)]
    fn revoke(&mut self, root: CteRef, address: u64, level: u64) -> Handled {
        let slot = self.find_to_empty(root, address, level)?;
        Ok(stepped(self.db.revoke(&mut self.env, slot)?))
    }

    #[inline(never)]
    #[optimize(size)]
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
                let [address, level, ..] = *args;
                self.delete(root, address, level)
            }
            CNodeCommand::Revoke => {
                let [address, level, ..] = *args;
                self.revoke(root, address, level)
            }
            CNodeCommand::GetState => {
                let [address, level, ..] = args;
                let slot = self.find_any(root, *address, *level, CapRights::READ)?;
                let state = self.db.state_of(&self.env, slot);
                let busy = state.flags.has(Flags::LOCKED.with(Flags::IN_DELETE));
                let foreign = state.owner != self.env.core;
                Ok(self.answer_one(u64::from(foreign) | u64::from(busy) << 1))
            }
            CNodeCommand::GetSize => match invocation.cap.objtype() {
                ObjType::L1CNode => Ok(self.answer_one(invocation.cap.size())),
                _ => Ok(self.answer_one(L2CNODE_BYTES)),
            },
            CNodeCommand::CapIdentify => {
                let [address, level, ..] = *args;
                self.identify(root, address, level)
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

    /// The slot that Delete, Revoke and giving away name: in a CNode, which must be writable. (The slot of the invoked CNode was found by
    /// reading, and a root's, which lies in the kernel's memory, is not for its user to empty.)
    pub(super) fn find_to_empty(
        &self,
        root: CteRef,
        address: u64,
        level: u64,
    ) -> Result<CteRef, Error> {
        if level == CapLevel::Root as u64 {
            return Err(ErrorCode::SysCapLookupDepth.into());
        }
        self.find_any(root, address, level, EMPTYING)
    }

    #[inline(never)]
    #[optimize(size)]
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
        match mint {
            None => self.copy_found(source, dest),
            Some((first, second)) => self.mint_found(source, dest, first, second),
        }
    }

    #[inline(never)]
    #[optimize(size)]
    pub(super) fn retype(&mut self, root: CteRef, args: &[u64; 10], from_monitor: bool) -> Handled {
        let [
            source_root,
            source,
            _,
            word,
            ..,
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
        self.retype_found(source, dest, args, from_monitor)
    }

    #[inline(never)]
    fn retype_found(
        &mut self,
        source: CteRef,
        dest: DestSlot,
        args: &[u64; 10],
        from_monitor: bool,
    ) -> Handled {
        let [_, _, offset, word, bytes, count, ..] = *args;
        let request = RetypeArgs {
            source,
            objtype: RetypeWord(word).objtype(),
            bytes,
            count,
            offset,
            dest,
            from_monitor,
        };
        Ok(stepped(self.db.retype(&mut self.env, request)?))
    }

    /// A root CNode named by an address in `base`, at level L2.
    #[inline(never)]
    #[optimize(size)]
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
