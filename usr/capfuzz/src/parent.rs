//! The parent: makes the arena, lets the children work in it, takes it away, looks whether all is well.

use crate::arena;
use crate::monitor;
use crate::tally::{self, Class, Tally};
use crate::{CHILDREN, EPOCH};
use alloc::string::ToString;
use alloc::vec::Vec;
use aos::account::Account;
use aos::boot::Boot;
use aos::cap::{CNodeRef, CapRef, cap_copy, cap_delete, cap_retype, cap_revoke, kernel};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::DISPATCHER_FRAME_BYTES;
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::{root, task};
use aos::lmp::{Endpoint, endpoint_create};
use aos::paging::MappedFrame;
use aos::spawn::{Domain, Grant, Place, Program, SpawnError, spawn_load_with_caps};
use aos::{Error, event, println, ram, time};
use core::time::Duration;

/// Memory that the children share.
const ARENA_BYTES: u64 = 16 << 20;
/// Memory of a child for its page tables.
const CHILD_BYTES: u64 = 256 << 10;
/// Of a hundred calls, so many have to succeed.
const LEAST_SUCCESS: u64 = 30;
/// In one epoch of so many, the children are killed at a random moment.
const KILLED: u32 = 4;
/// An epoch takes at most this long; then the children that are left are killed. (They may kill one another.)
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the parent acts as a monitor.
const MONITOR: Duration = Duration::from_millis(2);
/// Its calls then.
const MONITOR_CALLS: usize = 8;

/// What a child needs, again and again.
struct Seat {
    endpoint: Endpoint,
    frame: CapRef,
    tally: Tally,
}

struct Parent {
    elf: MappedFrame,
    elf_bytes: usize,
    arena: CapRef,
    seats: Vec<Seat>,
    own: Tally,
    random: fastrand::Rng,
    /// Live capabilities before the first epoch.
    before: u64,
    calls: u64,
    epochs: u64,
    killed: u64,
    /// Most live capabilities seen.
    most: u64,
    sound: bool,
}

fn tally() -> Result<(CapRef, Tally), Error> {
    let frame = ram::frame_alloc(tally::BYTES)?;
    let mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    Ok((frame, Tally::new(mapped)))
}

/// Runs it all; answers whether all is well.
pub fn run(calls: u64, seed: u64) -> Result<bool, Error> {
    ram::add_system_memory()?;
    for l1 in arena::FIRST..arena::FIRST + arena::CNODES {
        ram::cnode_create_foreign_l2(CapRef::OWN_ROOT, l1)?;
    }
    let seat = || {
        let (frame, tally) = tally()?;
        Ok(Seat {
            endpoint: endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?,
            frame,
            tally,
        })
    };
    let module = Boot::of_trusted()?.module("capfuzz")?;
    let mut parent = Parent {
        elf: module.map()?,
        elf_bytes: module.file_bytes() as usize,
        arena: ram::mm_alloc(ARENA_BYTES)?,
        seats: (0..CHILDREN)
            .map(|_| seat())
            .collect::<Result<_, Error>>()?,
        own: tally()?.1,
        random: fastrand::Rng::with_seed(seed),
        before: 0,
        calls: 0,
        epochs: 0,
        killed: 0,
        most: 0,
        sound: true,
    };
    while parent.calls < calls && parent.sound {
        parent.epoch(EPOCH.min(calls - parent.calls))?;
    }
    Ok(parent.verdict(seed))
}

impl Parent {
    fn epoch(&mut self, calls: u64) -> Result<(), Error> {
        self.furnish()?;
        let share = calls.div_ceil(CHILDREN as u64);
        let mut children = Vec::new();
        for seat in &self.seats {
            let seed = self.random.u32(..);
            children.push(start(&self.elf, self.elf_bytes, seat, share, seed)?);
        }
        for child in &children {
            child.start()?;
        }
        self.wait();
        for child in children {
            child.destroy()?;
        }
        self.epochs += 1;
        for seat in &self.seats {
            self.calls += seat.tally.done();
        }
        let live = self.check()?;
        self.most = self.most.max(live);
        self.clear()?;
        let live = self.check()?;
        // In the first epoch some things are made that stay.
        if self.epochs == 1 {
            self.before = live;
        }
        if live != self.before {
            println!("capfuzz: {live} capabilities are left, not {}", self.before);
            self.sound = false;
        }
        Ok(())
    }

    /// What the children begin with.
    fn furnish(&self) -> Result<(), Error> {
        let a = |slot: u32| CNodeRef::own(arena::FIRST).slot(slot);
        cap_copy(a(0), self.arena)?;
        let devices = CNodeRef::own(root::PACN).slot(0);
        let authorities = [task::IRQ, task::PERF_MON, task::IPI, task::PROC_MNG];
        let authorities = authorities.map(CapRef::task).into_iter().chain([devices]);
        for (slot, authority) in (1..).zip(authorities) {
            cap_copy(a(slot), authority)?;
        }
        // A CSpace that a dispatcher can be set up with.
        let (ram, l1, l2) = (a(0), a(8), a(9));
        cap_retype(l1, ram, 0, ObjType::L1CNode, 16 << 10, 1)?;
        cap_retype(l2, ram, 16 << 10, ObjType::L2CNode, 16 << 10, 1)?;
        cap_copy(CNodeRef::root_of(l1.addr()).slot(0), l2)?;
        let inside = CNodeRef::foreign(l1.addr(), 0);
        let place = inside.slot(arena::VSPACE.into());
        cap_retype(place, ram, 32 << 10, ObjType::VNodeAarch64L0, 4 << 10, 1)?;
        let place = inside.slot(arena::FRAME.into());
        cap_retype(
            place,
            ram,
            512 << 10,
            ObjType::Frame,
            DISPATCHER_FRAME_BYTES,
            1,
        )
    }

    /// Until all children are done or dead; in some epochs only until a random moment.
    fn wait(&mut self) {
        let patience = match self.random.u32(..KILLED) {
            0 => Duration::from_micros(self.random.u64(..20_000)),
            _ => PATIENCE,
        };
        let deadline = time::after(patience);
        let mut ended = [false; CHILDREN];
        while ended.contains(&false) {
            let snapshot = event::snapshot();
            for (ended, seat) in ended.iter_mut().zip(&self.seats) {
                *ended |= seat.endpoint.receive().is_some();
            }
            if time::now() >= deadline {
                self.killed += 1;
                return;
            }
            for _ in 0..MONITOR_CALLS {
                monitor::act(&mut self.random, &self.own);
            }
            event::wait_until(snapshot, Some(time::after(MONITOR)));
        }
    }

    /// Looks at every capability; answers how many there are.
    fn check(&mut self) -> Result<u64, Error> {
        let violations = kernel::check_invariants()?;
        if violations > 0 {
            println!("capfuzz: {violations} invariants of the capability database are violated");
            self.sound = false;
        }
        Ok(kernel::statistics()?.capabilities)
    }

    /// Takes everything away, and proves that nothing of it is left: the kernel makes a frame of all the memory only then.
    fn clear(&mut self) -> Result<(), Error> {
        cap_revoke(self.arena)?;
        for slot in 0..arena::SLOTS as u32 {
            let slot = CNodeRef::own(arena::FIRST + slot / 256).slot(slot % 256);
            if aos::cap::cap_direct_identify(slot).is_ok() {
                cap_delete(slot)?;
            }
        }
        let whole = CNodeRef::own(arena::FIRST).slot(0);
        let proof = cap_retype(whole, self.arena, 0, ObjType::Frame, ARENA_BYTES, 1)
            .and_then(|()| cap_delete(whole));
        if let Err(error) = proof {
            println!("capfuzz: the arena's memory is not free again: {error}");
            self.sound = false;
        }
        Ok(())
    }

    /// Prints what was done; answers whether it was enough, and whether all is well.
    fn verdict(&self, seed: u64) -> bool {
        let (mut tried_all, mut succeeded_all, mut missed) = (0, 0, 0);
        for class in Class::ALL {
            for (command, _, name) in class.commands() {
                let tallies = self.seats.iter().map(|seat| &seat.tally);
                let (mut tried, mut succeeded) = (0, 0);
                for tally in tallies.chain([&self.own]) {
                    let (more, well) = tally.of(class, *command);
                    tried += more;
                    succeeded += well;
                }
                println!("capfuzz: {class:?} {name}: {tried} calls, {succeeded} succeeded");
                tried_all += tried;
                succeeded_all += succeeded;
                missed += u32::from(tried == 0);
            }
        }
        let percent = (100 * succeeded_all).checked_div(tried_all).unwrap_or(0);
        let sound = if self.sound { "sound" } else { "BROKEN" };
        println!(
            "capfuzz: {} calls, seed {seed}, {percent} % succeeded, {missed} commands never tried, {} epochs ({} cut short), \
             at most {} capabilities, {sound}",
            self.calls, self.epochs, self.killed, self.most
        );
        self.sound && percent >= LEAST_SUCCESS && missed == 0
    }
}

fn start(
    elf: &MappedFrame,
    elf_bytes: usize,
    seat: &Seat,
    calls: u64,
    seed: u32,
) -> Result<Domain, SpawnError> {
    while seat.endpoint.receive().is_some() {}
    seat.tally.begin();
    let account = Account::new();
    let mut grants = alloc::vec![
        Grant {
            cap: seat.frame,
            place: Place::Argument(0),
        },
        Grant {
            cap: account.object(ObjType::Ram, CHILD_BYTES)?,
            place: Place::Task(task::SYSMEM),
        },
    ];
    let cnodes = (arena::FIRST..).take(arena::CNODES as usize);
    grants.extend(cnodes.map(|l1| Grant {
        cap: CNodeRef::ROOT.slot(l1),
        place: Place::Root(l1),
    }));
    spawn_load_with_caps(&Program {
        name: "capfuzz",
        elf: elf.view().bytes().get(..elf_bytes).unwrap_or_default(),
        args: &["capfuzz", "--child", &calls.to_string(), &seed.to_string()],
        env: &[],
        pid: 100,
        report_to: Some(seat.endpoint.cap()),
        served: false,
        grants: &grants,
        account: &account,
    })
}
