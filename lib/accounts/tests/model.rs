//! Random programs, compared with a list of accounts and a list of allocations that are summed up each time.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use accounts::{Account, Accounts, Amount, Bounds, Error};
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds {
    accounts: 6,
    depth: 4,
};
const ROOT: Account = Account(0);
const LIMIT: Amount = Amount {
    bytes: 100,
    allocations: 12,
};

#[derive(Clone, Debug)]
enum Op {
    Open(Account, Account, Amount),
    Limit(Account, Amount),
    Charge(Account, u64, u64),
    Refund(Account, u64),
    Transfer(u64, Account, Account),
    Close(Account),
    Step(usize),
}

fn account() -> impl Strategy<Value = Account> {
    (0..7_u64).prop_map(Account)
}

fn amount() -> impl Strategy<Value = Amount> {
    (0..60_u64, 0..8_u64).prop_map(|(bytes, allocations)| Amount { bytes, allocations })
}

fn op() -> impl Strategy<Value = Op> {
    let base = || 0..150_u64;
    prop_oneof![
        5 => (account(), account(), amount()).prop_map(|(account, parent, limit)| Op::Open(account, parent, limit)),
        2 => (account(), amount()).prop_map(|(account, limit)| Op::Limit(account, limit)),
        12 => (account(), base(), 0..25_u64).prop_map(|(account, base, bytes)| Op::Charge(account, base, bytes)),
        // Mostly of something that is there: the model chooses by this number.
        4 => (account(), base()).prop_map(|(account, base)| Op::Refund(account, base)),
        3 => (base(), account(), account()).prop_map(|(base, from, to)| Op::Transfer(base, from, to)),
        1 => account().prop_map(Op::Close),
        2 => (0..5_usize).prop_map(Op::Step),
    ]
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Held {
    base: u64,
    bytes: u64,
    account: Account,
    payload: u64,
}

/// Accounts with parent and limit, closed or not, and everything that is held.
struct Model {
    accounts: Vec<(Account, Option<Account>, Amount, bool)>,
    held: Vec<Held>,
}

impl Model {
    fn find(&self, account: Account) -> Option<(Option<Account>, Amount, bool)> {
        let found = self.accounts.iter().find(|one| one.0 == account)?;
        Some((found.1, found.2, found.3))
    }

    /// From the account up to the first.
    fn path(&self, account: Account) -> Vec<Account> {
        match self.find(account) {
            None => Vec::new(),
            Some((None, ..)) => vec![account],
            Some((Some(parent), ..)) => [vec![account], self.path(parent)].concat(),
        }
    }

    fn closing(&self, account: Account) -> bool {
        let path = self.path(account);
        path.iter().any(|one| self.find(*one).unwrap().2)
    }

    fn ready(&self, account: Account) -> Result<Amount, Error> {
        let (_, limit, _) = self.find(account).ok_or(Error::UnknownAccount)?;
        if self.closing(account) {
            return Err(Error::Closing);
        }
        let held = self.held.iter().filter(|one| one.account == account);
        let used = held.fold((0, 0), |sum, one| (sum.0 + one.bytes, sum.1 + 1));
        let children = self.accounts.iter().filter(|one| one.1 == Some(account));
        let given = children.fold((0, 0), |sum, one| {
            (sum.0 + one.2.bytes, sum.1 + one.2.allocations)
        });
        Ok(Amount {
            bytes: limit.bytes - used.0 - given.0,
            allocations: limit.allocations - used.1 - given.1,
        })
    }

    fn play(&mut self, op: &Op, payload: u64) -> Result<(), Error> {
        let fits = |more: Amount, free: Amount| match more {
            _ if more.bytes > free.bytes => Err(Error::LimitBytes),
            _ if more.allocations > free.allocations => Err(Error::LimitAllocations),
            _ => Ok(()),
        };
        match *op {
            Op::Open(account, parent, limit) => {
                let free = self.ready(parent)?;
                if self.find(account).is_some() {
                    return Err(Error::AccountExists);
                }
                if self.accounts.len() == BOUNDS.accounts {
                    return Err(Error::TooManyAccounts);
                }
                if self.path(parent).len() == BOUNDS.depth {
                    return Err(Error::TooDeep);
                }
                fits(limit, free)?;
                self.accounts.push((account, Some(parent), limit, false));
            }
            Op::Limit(account, limit) => {
                let free = self.ready(account)?;
                let (parent, old, _) = self.find(account).unwrap();
                let needed = old.minus(free);
                fits(needed, limit).map_err(|_| Error::InUse)?;
                if let Some(parent) = parent {
                    fits(limit, self.ready(parent)?.plus(old))?;
                }
                let entry = self.accounts.iter_mut().find(|one| one.0 == account);
                entry.unwrap().2 = limit;
            }
            Op::Charge(account, base, bytes) => {
                fits(Amount::one(bytes), self.ready(account)?)?;
                if bytes == 0 {
                    return Err(Error::BadRange);
                }
                let meets = |one: &Held| one.base < base + bytes && base < one.base + one.bytes;
                if self.held.iter().any(meets) {
                    return Err(Error::Overlap);
                }
                self.held.push(Held {
                    base,
                    bytes,
                    account,
                    payload,
                });
            }
            Op::Refund(account, base) => {
                let at = self.holds(account, base)?;
                self.held.remove(at);
            }
            Op::Transfer(base, from, to) => {
                let at = self.holds(from, base)?;
                let free = self.ready(to)?;
                let one = self.held.get_mut(at).unwrap();
                if from != to {
                    fits(Amount::one(one.bytes), free)?;
                    one.account = to;
                }
            }
            Op::Close(account) => {
                self.ready(account)?;
                if account == ROOT {
                    return Err(Error::Root);
                }
                let entry = self.accounts.iter_mut().find(|one| one.0 == account);
                entry.unwrap().3 = true;
            }
            Op::Step(_) => {}
        }
        Ok(())
    }

    fn holds(&self, account: Account, base: u64) -> Result<usize, Error> {
        self.ready(account)?;
        let at = self.held.iter().position(|one| one.base == base);
        let at = at.ok_or(Error::NoAllocation)?;
        match self.held.get(at).unwrap().account == account {
            true => Ok(at),
            false => Err(Error::NotHolder),
        }
    }

    /// Aims at something that is there.
    fn aim(&self, op: Op) -> Op {
        let one = |number: u64| self.held.get(number as usize % self.held.len().max(1));
        match op {
            Op::Refund(account, number) => match one(number) {
                Some(held) if number % 3 > 0 => Op::Refund(held.account, held.base),
                Some(held) => Op::Refund(account, held.base),
                None => Op::Refund(account, number),
            },
            Op::Transfer(number, from, to) => match one(number) {
                Some(held) if number % 3 > 0 => Op::Transfer(held.base, held.account, to),
                Some(held) => Op::Transfer(held.base, from, to),
                None => Op::Transfer(number, from, to),
            },
            op => op,
        }
    }
}

struct World {
    accounts: Accounts<u64>,
    model: Model,
}

impl World {
    fn new() -> Self {
        Self {
            accounts: Accounts::new(ROOT, LIMIT, BOUNDS),
            model: Model {
                accounts: vec![(ROOT, None, LIMIT, false)],
                held: Vec::new(),
            },
        }
    }

    fn play(&mut self, op: Op, payload: u64) {
        let op = self.model.aim(op);
        let expected = self.model.play(&op, payload);
        let accounts = &mut self.accounts;
        let done = match op {
            Op::Open(account, parent, limit) => accounts.open(account, parent, limit),
            Op::Limit(account, limit) => accounts.set_limit(account, limit),
            Op::Charge(account, base, bytes) => {
                let may = accounts.may_charge(account, bytes);
                let done = accounts.charge(account, base, bytes, payload);
                let done = done.map_err(|refused| {
                    assert_eq!(refused.payload, payload);
                    refused.error
                });
                if !matches!(done, Err(Error::BadRange | Error::Overlap)) {
                    assert_eq!(may, done);
                }
                done
            }
            Op::Refund(account, base) => accounts.refund(account, base).map(drop),
            Op::Transfer(base, from, to) => accounts.transfer(base, from, to),
            Op::Close(account) => accounts.close(account),
            Op::Step(max) => {
                self.step(max);
                Ok(())
            }
        };
        assert_eq!(done, expected, "{op:?}");
        self.check();
    }

    /// What comes back is held by an account that is closed; accounts go when they are empty.
    fn step(&mut self, max: usize) {
        let step = self.accounts.step(max);
        assert!(step.released.len() + step.closed.len() <= max);
        let model = &mut self.model;
        for one in &step.released {
            assert!(model.closing(one.account));
            let at = model.held.iter().position(|held| held.base == one.base);
            let held = model.held.remove(at.unwrap());
            assert_eq!(
                (one.bytes, one.account, one.payload),
                (held.bytes, held.account, held.payload)
            );
        }
        for account in step.closed {
            assert!(model.closing(account));
            assert!(model.held.iter().all(|one| one.account != account));
            assert!(model.accounts.iter().all(|one| one.1 != Some(account)));
            model.accounts.retain(|one| one.0 != account);
        }
    }

    fn check(&self) {
        self.accounts.check_invariants().unwrap();
        let model = &self.model;
        assert_eq!(self.accounts.accounts(), model.accounts.len());
        for (account, parent, limit, _) in &model.accounts {
            let info = self.accounts.account(*account).unwrap();
            let expected = (*parent, *limit, model.closing(*account));
            assert_eq!((info.parent, info.limit, info.closing), expected);
            if let Ok(free) = model.ready(*account) {
                assert_eq!(info.free(), free);
            }
        }
        let mut held = model.held.clone();
        held.sort_by_key(|one| one.base);
        let all = self.accounts.iter().map(|one| Held {
            base: one.base,
            bytes: one.bytes,
            account: one.account,
            payload: one.payload,
        });
        assert_eq!(all.collect::<Vec<_>>(), held);
        for address in 0..180 {
            let expected = held
                .iter()
                .find(|one| one.base <= address && address < one.base + one.bytes);
            let found = self.accounts.covering(address);
            assert_eq!(found.map(|one| one.base), expected.map(|one| one.base));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn accounts_do_what_the_lists_do(ops in prop::collection::vec(op(), 0..80)) {
        let mut world = World::new();
        for (payload, op) in ops.into_iter().enumerate() {
            world.play(op, payload as u64);
        }
        // In the end everything is closed, and the first account has all that it did not use itself.
        let children: Vec<_> = world.accounts.children(ROOT).collect();
        for account in children {
            world.play(Op::Close(account), 0);
        }
        for _ in 0..100 {
            world.play(Op::Step(1), 0);
        }
        prop_assert!(!world.accounts.has_closing());
        let info = world.accounts.account(ROOT).unwrap();
        prop_assert_eq!(info.given, Amount::NONE);
        prop_assert_eq!(world.accounts.len() as u64, info.used.allocations);
    }
}
