//! The CSpace of a new domain.

use super::{Grant, Place};
use crate::account::Account;
use crate::cap::{CNodeRef, CapRef, cap_copy};
use crate::error::{Error, ErrorCode, ResultExt};
use kpi::cap::ObjType;
use kpi::layout::L2CNODE_BYTES;
use kpi::slots::{root, task};

/// The CNodes that every domain has.
const CNODES: [(u32, ErrorCode); 7] = [
    (root::TASKCN, ErrorCode::SpawnCreateTaskcn),
    (root::PAGECN, ErrorCode::SpawnCreatePagecn),
    (root::SEGCN, ErrorCode::SpawnCreateSegcn),
    (root::SLOT_ALLOC0, ErrorCode::SpawnCreateSlotallocCnode),
    (root::SLOT_ALLOC1, ErrorCode::SpawnCreateSlotallocCnode),
    (root::SLOT_ALLOC2, ErrorCode::SpawnCreateSlotallocCnode),
    (root::ROOT_MAPPING, ErrorCode::SpawnCreateSmallcn),
];

/// The CSpace under construction: the child's root CNode, in a slot of ours.
#[derive(Clone, Copy)]
pub(super) struct CSpace {
    pub(super) root: CapRef,
}

impl CSpace {
    /// Root CNode and the CNodes in it; the task CNode knows itself and the root.
    pub(super) fn new(account: &Account) -> Result<Self, Error> {
        let root = account
            .object(ObjType::L1CNode, L2CNODE_BYTES)
            .push_err(ErrorCode::SpawnCreateRootcn)?;
        let cspace = Self { root };
        for (slot, code) in CNODES {
            cspace.cnode(account, slot).push_err(code)?;
        }
        let taskcn = CNodeRef::root_of(root.addr()).slot(root::TASKCN);
        cap_copy(cspace.task(task::TASKCN), taskcn).push_err(ErrorCode::SpawnMintTaskcn)?;
        cap_copy(cspace.task(task::ROOTCN), root).push_err(ErrorCode::SpawnMintRootcn)?;
        Ok(cspace)
    }

    /// An L2CNode in root slot `l1`.
    fn cnode(self, account: &Account, l1: u32) -> Result<(), Error> {
        let slot = CNodeRef::root_of(self.root.addr()).slot(l1);
        account.object_at(slot, ObjType::L2CNode, L2CNODE_BYTES)
    }

    /// A slot of an L2CNode in it.
    pub(super) fn slot(self, l1: u32, slot: u32) -> CapRef {
        CNodeRef::foreign(self.root.addr(), l1).slot(slot)
    }

    /// A slot of its task CNode.
    pub(super) fn task(self, slot: u8) -> CapRef {
        self.slot(root::TASKCN, u32::from(slot))
    }

    /// Copies what the caller grants.
    pub(super) fn grant(self, grants: &[Grant], account: &Account) -> Result<(), Error> {
        let code = ErrorCode::SpawnSetCaps;
        let argument = |grant: &Grant| matches!(grant.place, Place::Argument(_));
        if grants.iter().any(argument) {
            self.cnode(account, root::ARGCN)
                .push_err(ErrorCode::SpawnSetupArgcn)?;
        }
        for grant in grants {
            let dest = match grant.place {
                Place::Task(slot) => self.task(slot),
                Place::Root(slot) => CNodeRef::root_of(self.root.addr()).slot(slot),
                Place::Argument(slot) => self.slot(root::ARGCN, u32::from(slot)),
            };
            cap_copy(dest, grant.cap).push_err(code)?;
        }
        Ok(())
    }
}
