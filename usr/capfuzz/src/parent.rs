//! The parent: makes the arena, lets the children work in it, takes it away, looks whether all is well.

use crate::arena;
use crate::monitor::Monitor;
use crate::supply::{READABLE_STOCK, Supply, guard};
use crate::tally::{self, Class, Tally};
use crate::{CHILDREN, EPOCH};
use alloc::string::ToString;
use alloc::vec::Vec;
use aos::account::Account;
use aos::boot::{Boot, File};
use aos::cap::{CNodeRef, CapRef, cap_delete, kernel};
use aos::kpi::cap::ObjType;
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::task;
use aos::lmp::{Endpoint, endpoint_create};
use aos::paging::MappedFrame;
use aos::spawn::{Domain, Grant, Place, Program, SpawnError, spawn_load_with_caps};
use aos::{Error, event, println, ram, slot};

/// Memory of a child for its page tables and roots.
const CHILD_BYTES: u64 = 512 << 10;
/// Of a hundred calls, so many have to succeed.
const LEAST_SUCCESS: u64 = 35;
/// Of a hundred that succeed, so many have to change something.
const LEAST_CHANGES: u64 = 70;
/// In one epoch of so many, the children are killed at a random moment.
const KILLED: u32 = 4;
/// Of its turns, at most so many lie before that moment.
const TURNS: u32 = 600;
/// Turns without any call of any child, after which an epoch ends. (They may kill one another.)
const PATIENCE: u32 = 200;
/// Calls of the monitor in a turn.
const MONITOR_CALLS: u32 = 3;
/// Once in so many turns all of the stock is looked at.
const RESTOCK: u32 = 16;
/// Once in so many turns some of the stock is taken away and made again.
const RENEW: u32 = 128;
/// Words of the endpoint to which children may send.
const POST_WORDS: u32 = 512;

/// What a child needs, again and again.
struct Seat {
    endpoint: Endpoint,
    frame: CapRef,
    tally: Tally,
}

/// What must be the same before and after an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Balance {
    capabilities: u64,
    free_bytes: u64,
    free_slots: u32,
}

/// How many live capabilities there are of each type.
type Census = [u32; ObjType::COUNT];

fn census() -> Result<Census, Error> {
    let mut census = [0; ObjType::COUNT];
    let mut cursor = None;
    while let Some(seen) = kernel::next_cap(cursor)? {
        if let Some(count) = census.get_mut(seen.cap.objtype() as usize) {
            *count += 1;
        }
        cursor = Some(seen.slot);
    }
    Ok(census)
}

struct Parent {
    elf: File,
    supply: Supply,
    seats: Vec<Seat>,
    monitor: Monitor,
    /// Children send to it; what they send is thrown away.
    post: Endpoint,
    /// Slot for a capability that comes with a message.
    inbox: CapRef,
    random: fastrand::Rng,
    /// After the first epoch, in which some things are made that stay.
    before: Option<(Balance, Census)>,
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
        elf: module.open()?,
        supply: Supply::new()?,
        seats: (0..CHILDREN)
            .map(|_| seat())
            .collect::<Result<_, Error>>()?,
        monitor: Monitor::new(tally()?.1)?,
        post: endpoint_create(POST_WORDS)?,
        inbox: slot::slot_alloc()?,
        random: fastrand::Rng::with_seed(seed),
        before: None,
        calls: 0,
        epochs: 0,
        killed: 0,
        most: 0,
        sound: true,
    };
    guard(true)?;
    while parent.calls < calls && parent.sound {
        parent.epoch(EPOCH.min(calls - parent.calls))?;
    }
    guard(false)?;
    Ok(parent.verdict(seed))
}

impl Parent {
    fn epoch(&mut self, calls: u64) -> Result<(), Error> {
        self.supply.furnish(self.post.cap())?;
        self.post.arm(self.inbox);
        let share = calls.div_ceil(CHILDREN as u64);
        let mut children = Vec::new();
        for seat in &self.seats {
            seat.endpoint.renew()?;
            let seed = self.random.u32(..);
            children.push(start(&self.elf, seat, share, seed)?);
        }
        for child in &children {
            child.start()?;
        }
        self.supervise();
        for child in children {
            child.destroy()?;
        }
        self.epochs += 1;
        for seat in &self.seats {
            self.calls += seat.tally.done();
        }
        self.most = self.most.max(self.check()?);
        self.clear()?;
        let capabilities = self.check()?;
        let now = Balance {
            capabilities,
            free_bytes: ram::mm_usage().free,
            free_slots: slot::free_slots(),
        };
        let Some((before, types)) = self.before else {
            self.before = Some((now, census()?));
            return Ok(());
        };
        if now != before {
            println!("capfuzz: {now:?} is left, not {before:?}");
            for (objtype, (now, before)) in (0..).zip(census()?.into_iter().zip(types)) {
                if now != before {
                    let name = ObjType::from_u8(objtype).map_or("?", ObjType::name);
                    println!("capfuzz: {now} of type {name}, not {before}");
                }
            }
            self.sound = false;
        }
        Ok(())
    }

    /// Acts as monitor until all children are done or dead; in some epochs only until a random moment.
    fn supervise(&mut self) {
        let turns = match self.random.u32(..KILLED) {
            0 => self.random.u32(..TURNS),
            _ => u32::MAX,
        };
        let (mut ended, mut done, mut idle) = ([false; CHILDREN], 0, 0);
        for _ in 0..turns {
            for (ended, seat) in ended.iter_mut().zip(&self.seats) {
                *ended |= seat.endpoint.receive().is_some();
            }
            if !ended.contains(&false) {
                return;
            }
            let now = self.seats.iter().map(|seat| seat.tally.done()).sum();
            idle = if done == now { idle + 1 } else { 0 };
            done = now;
            if idle > PATIENCE || !self.supply.has_cnodes() {
                break;
            }
            self.turn();
            event::yield_now();
        }
        self.killed += 1;
    }

    fn turn(&mut self) {
        self.receive();
        self.monitor.let_go();
        for _ in 0..self.random.u32(..=MONITOR_CALLS) {
            self.monitor.act(&mut self.random);
        }
        if self.random.u32(..RESTOCK) == 0 {
            self.supply.restock(self.post.cap());
        }
        if self.random.u32(..RENEW) == 0 {
            self.supply.renew_some(&mut self.random);
        }
    }

    /// Takes the messages of the children.
    fn receive(&self) {
        if aos::cap::cap_direct_identify(self.post.cap()).is_err() {
            // Who has a copy may have revoked it.
            let _ = self.post.renew();
        }
        while self.post.receive().is_some() {}
        if aos::cap::cap_direct_identify(self.inbox).is_ok() {
            // Refused while it is locked; then the inbox stays full for a turn.
            let _ = cap_delete(self.inbox);
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

    /// Takes everything away.
    fn clear(&mut self) -> Result<(), Error> {
        self.post.disarm();
        self.receive();
        // An interrupt may be connected with it.
        self.post.renew()?;
        self.monitor.let_go();
        if let Err(error) = self.supply.clear() {
            println!("capfuzz: the arena's memory is not free again: {error}");
            self.sound = false;
        }
        Ok(())
    }

    /// Prints what was done; answers whether it was enough, and whether all is well.
    fn verdict(&self, seed: u64) -> bool {
        let (mut tried_all, mut succeeded_all, mut changed_all) = (0, 0, 0);
        let (mut missed, mut failed) = (0, 0);
        for class in Class::ALL {
            for (command, _, name) in class.commands() {
                let tallies = self.seats.iter().map(|seat| &seat.tally);
                let (mut tried, mut succeeded) = (0, 0);
                for tally in tallies.chain([self.monitor.tally()]) {
                    let (more, well) = tally.of(class, *command);
                    tried += more;
                    succeeded += well;
                }
                let why = class.never(*command);
                let remark = why.unwrap_or_default();
                println!(
                    "capfuzz: {class:?} {name}: {tried} calls, {succeeded} succeeded {remark}"
                );
                tried_all += tried;
                succeeded_all += succeeded;
                missed += u32::from(tried == 0);
                failed += u32::from(succeeded == 0 && why.is_none());
                if class.changes(*command) {
                    changed_all += succeeded;
                }
            }
        }
        let percent = |part: u64, of| (100 * part).checked_div(of).unwrap_or(0);
        let well = percent(succeeded_all, tried_all);
        let changes = percent(changed_all, succeeded_all);
        let sound = if self.sound { "sound" } else { "BROKEN" };
        println!(
            "capfuzz: {} calls, seed {seed}, {well} % succeeded, {changes} % of them changed something, {missed} commands never \
             tried, {failed} never succeeded, {} epochs ({} cut short), at most {} capabilities, {sound}",
            self.calls, self.epochs, self.killed, self.most
        );
        let enough = well >= LEAST_SUCCESS && changes >= LEAST_CHANGES;
        self.sound && enough && missed == 0 && failed == 0
    }
}

fn start(elf: &[u8], seat: &Seat, calls: u64, seed: u32) -> Result<Domain, SpawnError> {
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
    let shared = (arena::FIRST..arena::STOCK).map(|l1| (l1, l1));
    let shared = shared.chain([(READABLE_STOCK, arena::STOCK)]);
    grants.extend(shared.map(|(from, to)| Grant {
        cap: CNodeRef::ROOT.slot(from),
        place: Place::Root(to),
    }));
    spawn_load_with_caps(&Program {
        name: "capfuzz",
        elf,
        args: &["capfuzz", "--child", &calls.to_string(), &seed.to_string()],
        env: &[],
        pid: 100,
        report_to: Some(seat.endpoint.cap()),
        served: false,
        grants: &grants,
        account: &account,
    })
}
