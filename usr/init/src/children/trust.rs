//! How much a child may do, and what it gets for that.

use aos::account::Account;
use aos::cap::{CNodeRef, CapRef, cap_mint};
use aos::kpi::cap::ObjType;
use aos::kpi::rights::CapRights;
use aos::kpi::slots::{root, task};
use aos::spawn::{Grant, Place};
use aos::testproto::{Kind, Record};
use aos::{Error, println, record};

/// Memory of a trusted child, unless the boot menu says otherwise.
pub const TRUSTED_BYTES: u64 = 256 << 20;

/// How much a child may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// A program: its own domain, and some memory when it asks.
    Plain,
    /// A module that the boot menu marks `boot`: memory of its own, the boot modules, records.
    Trusted,
    /// A module that the boot menu marks `kernel`: as trusted, and authority over kernel, interrupts, cores and devices.
    Kernel,
}

/// Passes a trusted child's record on. Kinds that are init's and the kernel's to send are refused.
pub(super) fn relay(json: Option<&str>) {
    let record = json.and_then(|json| Record::parse(json).ok().map(|record| (json, record)));
    match record {
        Some((json, parsed))
            if matches!(
                parsed.kind,
                Kind::Test | Kind::Bench | Kind::Grade | Kind::End
            ) =>
        {
            aos::console::flush();
            let _ = record::print(json);
        }
        _ => println!("init: a test program sent what is no record of its own"),
    }
}

/// What a trusted child gets: memory, and to look at what all of them look at. The frames are read-only.
pub(super) fn trusted_grants(account: &Account, bytes: u64) -> Result<[Grant; 3], Error> {
    let made = account.object(ObjType::Ram, bytes).and_then(|memory| {
        let modules = account.slot()?;
        let look = CapRights::READ.union(CapRights::GRANT);
        let whole = CNodeRef::ROOT.slot(root::MODULECN);
        cap_mint(modules, whole, u64::from(look.0), 0)?;
        Ok((memory, modules))
    });
    let (memory, modules) = made.inspect_err(|_| {
        // The first error counts.
        let _ = account.release();
    })?;
    Ok([
        Grant {
            cap: memory,
            place: Place::Task(task::SYSMEM),
        },
        Grant {
            cap: CapRef::task(task::BOOTINFO),
            place: Place::Task(task::BOOTINFO),
        },
        Grant {
            cap: modules,
            place: Place::Root(root::MODULECN),
        },
    ])
}

/// What a child gets that is trusted as the kernel is: capabilities of the task CNode, and those of devices.
pub(super) const KERNEL_GRANTS: [Grant; 6] = [
    task_grant(task::KERNELCAP),
    task_grant(task::IRQ),
    task_grant(task::IPI),
    task_grant(task::PERF_MON),
    task_grant(task::PROC_MNG),
    Grant {
        cap: CNodeRef::ROOT.slot(root::PACN),
        place: Place::Root(root::PACN),
    },
];

const fn task_grant(slot: u8) -> Grant {
    Grant {
        cap: CapRef::task(slot),
        place: Place::Task(slot),
    }
}
