//! The memory server over memory that is only numbers.

mod support;

use errors::{Error, ErrorCode};
use flounder::{Finished, Limits, Single};
use services::memory::{Backend, Limit, MemoryClient, MemoryServer, MemoryService, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use support::{Domain, Transport, refused};

type Cap = u64;
type Client = MemoryClient<Transport<Cap>, Single>;

const PAGE: u64 = 4096;
const LIMIT: Limit = Limit {
    bytes: 16 * PAGE,
    allocations: 4,
};
/// Pages there are.
const PAGES: u64 = 40;

/// Memory from 0 on, the first that fits.
struct Fake {
    taken: BTreeMap<u64, u64>,
    alive: BTreeSet<u32>,
    /// Taking back fails so often.
    fails: u32,
    no_caps: bool,
}

impl Backend for Fake {
    type Cap = Cap;
    type Held = u64;

    fn take(&mut self, wanted: Wanted) -> Result<(u64, u64), Error> {
        let Wanted {
            bytes, alignment, ..
        } = wanted;
        let (low, high) = wanted.between.unwrap_or((0, PAGES * PAGE));
        let high = high.min(PAGES * PAGE);
        let mut base = low.next_multiple_of(alignment);
        while base + bytes <= high {
            let overlap = |(start, length): (&u64, &u64)| start + length > base;
            if !self.taken.range(..base + bytes).any(overlap) {
                self.taken.insert(base, bytes);
                return Ok((base, base));
            }
            base += alignment;
        }
        Err(ErrorCode::LibRamAlloc.into())
    }

    fn capability(&mut self, held: &u64) -> Result<Cap, Error> {
        match self.no_caps {
            true => Err(ErrorCode::LibSlotAlloc.into()),
            false => Ok(*held),
        }
    }

    fn take_back(&mut self, base: u64, bytes: u64, held: &u64) -> Result<(), Error> {
        assert_eq!(base, *held);
        if self.fails > 0 {
            self.fails -= 1;
            return Err(ErrorCode::SysRevokeFirst.into());
        }
        assert_eq!(self.taken.remove(&base), Some(bytes));
        Ok(())
    }

    fn usage(&self) -> (u64, u64) {
        let used: u64 = self.taken.values().sum();
        (PAGES * PAGE, PAGES * PAGE - used)
    }

    fn is_there(&mut self, pid: u32) -> Result<bool, Error> {
        Ok(self.alive.contains(&pid))
    }
}

impl Domain for MemoryServer<MemoryService<Fake>> {
    type Cap = Cap;
    type Client = Client;

    async fn bind(transport: Transport<Cap>, limits: Limits) -> Result<Client, Error> {
        Client::bind(transport, limits).await
    }

    fn opened(&mut self, connection: u64, pid: u32) -> Result<(), Error> {
        self.0.opened(connection, pid)
    }

    fn between(&mut self, now: &mut u64) -> Vec<Finished<Cap>> {
        *now += 1;
        self.0.set_time(*now);
        while self.0.work() {}
        Vec::new()
    }
}

type World = support::World<MemoryServer<MemoryService<Fake>>>;

fn world() -> World {
    let fake = Fake {
        taken: BTreeMap::new(),
        alive: BTreeSet::from([50, 51]),
        fails: 0,
        no_caps: false,
    };
    World::of(MemoryServer(MemoryService::new(fake, LIMIT, 10)))
}

/// Free pages.
fn free(world: &World) -> u64 {
    world.service.0.backend.usage().1 / PAGE
}

#[test]
fn memory_is_given_up_to_the_limit_and_comes_back() {
    let mut world = world();
    let one = world.client(50);
    let (first, bytes) = world.ask(one.alloc(5000, 1)).unwrap();
    assert_eq!((first, bytes), (0, 2 * PAGE));
    let (aligned, _) = world.ask(one.alloc(1, 8 * PAGE)).unwrap();
    assert_eq!(aligned, 8 * PAGE);
    let (between, _) = world
        .ask(one.alloc_between(PAGE, PAGE, 20 * PAGE, 21 * PAGE))
        .unwrap();
    assert_eq!(between, 20 * PAGE);
    assert_eq!(
        world.ask(one.account()).unwrap(),
        (16 * PAGE, 4 * PAGE, 4, 3)
    );
    assert_eq!(world.ask(one.total()).unwrap(), (40 * PAGE, 36 * PAGE, 1));
    refused(
        world.ask(one.alloc(13 * PAGE, PAGE)),
        ErrorCode::AccountLimitBytes,
    );
    let (last, _) = world.ask(one.alloc(12 * PAGE, PAGE)).unwrap();
    refused(world.ask(one.alloc(1, 1)), ErrorCode::AccountLimitBytes);
    for base in [first, aligned, between, last] {
        world.ask(one.free(base)).unwrap();
    }
    refused(world.ask(one.free(first)), ErrorCode::AccountNoAllocation);
    for _ in 0..4 {
        world.ask(one.alloc(1, 1)).unwrap();
    }
    refused(
        world.ask(one.alloc(1, 1)),
        ErrorCode::AccountLimitAllocations,
    );
    assert_eq!(free(&world), 36);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut world = world();
    let one = world.client(50);
    refused(world.ask(one.alloc(1, 3)), ErrorCode::AccountBadRange);
    refused(
        world.ask(one.alloc(u64::MAX, 1)),
        ErrorCode::AccountBadRange,
    );
    let backwards = world.ask(one.alloc_between(1, 1, 10, 10));
    refused(backwards, ErrorCode::AccountBadRange);
    let outside = world.ask(one.alloc_between(1, 1, 50 * PAGE, 60 * PAGE));
    refused(outside, ErrorCode::LibRamAlloc);
    world.service.0.backend.no_caps = true;
    refused(world.ask(one.alloc(1, 1)), ErrorCode::LibSlotAlloc);
    assert_eq!(free(&world), 40);
}

#[test]
fn limits_are_not_promises() {
    let mut world = world();
    world.service.0.backend.alive.insert(52);
    let clients = [50, 51, 52].map(|pid| world.client(pid));
    world.ask(clients[0].alloc(16 * PAGE, PAGE)).unwrap();
    world.ask(clients[1].alloc(16 * PAGE, PAGE)).unwrap();
    let refusal = world.ask(clients[2].alloc(16 * PAGE, PAGE));
    refused(refusal, ErrorCode::LibRamAlloc);
    world.ask(clients[2].alloc(8 * PAGE, PAGE)).unwrap();
    assert_eq!(free(&world), 0);
}

#[test]
fn what_is_transferred_is_the_others() {
    let mut world = world();
    let one = world.client(50);
    let (base, _) = world.ask(one.alloc(10 * PAGE, PAGE)).unwrap();
    refused(world.ask(one.transfer(base, 51)), ErrorCode::AccountUnknown);
    let other = world.client(51);
    refused(world.ask(other.free(base)), ErrorCode::AccountNotHolder);
    refused(
        world.ask(other.transfer(base, 51)),
        ErrorCode::AccountNotHolder,
    );
    world.ask(other.alloc(10 * PAGE, PAGE)).unwrap();
    refused(
        world.ask(one.transfer(base, 51)),
        ErrorCode::AccountLimitBytes,
    );
    let (small, _) = world.ask(one.alloc(PAGE, PAGE)).unwrap();
    world.ask(one.transfer(small, 51)).unwrap();
    refused(world.ask(one.free(small)), ErrorCode::AccountNotHolder);
    world.ask(other.free(small)).unwrap();
}

#[test]
fn all_comes_back_from_the_dead() {
    let mut world = world();
    let one = world.client(50);
    let again = world.client(50);
    world.ask(one.alloc(2 * PAGE, PAGE)).unwrap();
    world.ask(again.alloc(3 * PAGE, PAGE)).unwrap();
    assert_eq!(free(&world), 35);
    world.close(1);
    world.close(2);
    // It has no connection, and is still there.
    assert_eq!(free(&world), 35);
    let later = world.client(50);
    assert_eq!(world.ask(later.account()).unwrap().1, 5 * PAGE);
    world.service.0.backend.alive.remove(&50);
    // Something cannot be taken back at once.
    world.service.0.backend.fails = 5;
    world.close(3);
    assert_eq!(free(&world), 40);
    assert_eq!(world.service.0.allocations(), 0);
    assert_eq!(world.service.0.next_deadline(), None);
}
