//! A machine's memory, shells and their programs.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use accounts::{Account, Accounts, Amount, Bounds, Error, Refused};

const ROOT: Account = Account(0);
const SHELL: Account = Account(1);
const PROGRAM: Account = Account(2);
const OTHER: Account = Account(3);

fn amount(bytes: u64, allocations: u64) -> Amount {
    Amount { bytes, allocations }
}

/// The machine has 1,000 bytes; the shell 500 of them, and its program 300 of these.
fn machine() -> Accounts<&'static str> {
    let mut accounts = Accounts::new(ROOT, amount(1000, 20), Bounds::default());
    accounts.open(SHELL, ROOT, amount(500, 10)).unwrap();
    accounts.open(PROGRAM, SHELL, amount(300, 3)).unwrap();
    accounts
}

fn check<T>(accounts: &Accounts<T>) {
    accounts.check_invariants().unwrap();
}

// ANCHOR: life
#[test]
fn what_a_shell_and_its_program_had_comes_back() {
    let mut accounts = machine();
    accounts.charge(SHELL, 0x1000, 100, "a history").unwrap();
    accounts.charge(PROGRAM, 0x2000, 200, "a stack").unwrap();
    accounts.charge(PROGRAM, 0x3000, 50, "a buffer").unwrap();
    // The program may have 50 bytes more, and 1 allocation.
    let free = accounts.account(PROGRAM).unwrap().free();
    assert_eq!((free.bytes, free.allocations), (50, 1));

    accounts.close(SHELL).unwrap();
    let mut freed = Vec::new();
    while accounts.has_closing() {
        let step = accounts.step(2);
        freed.extend(step.released.iter().map(|one| one.payload));
    }
    assert_eq!(freed, ["a stack", "a buffer", "a history"]);
    assert_eq!(accounts.account(ROOT).unwrap().free().bytes, 1000);
}
// ANCHOR_END: life

#[test]
fn limits_are_kept_and_the_payload_comes_back() {
    let mut accounts = machine();
    let refused = |error| {
        Err(Refused {
            error,
            payload: "x",
        })
    };
    let charged = accounts.charge(PROGRAM, 0, 301, "x");
    assert_eq!(charged, refused(Error::LimitBytes));
    assert_eq!(accounts.may_charge(PROGRAM, 301), Err(Error::LimitBytes));
    for base in 0..3 {
        accounts.may_charge(PROGRAM, 1).unwrap();
        accounts.charge(PROGRAM, base, 1, "p").unwrap();
    }
    let charged = accounts.charge(PROGRAM, 3, 1, "x");
    assert_eq!(charged, refused(Error::LimitAllocations));
    // The shell has left what it did not give away.
    assert_eq!(accounts.may_charge(SHELL, 201), Err(Error::LimitBytes));
    accounts.charge(SHELL, 0x100, 200, "s").unwrap();
    let opened = accounts.open(OTHER, SHELL, amount(1, 1));
    assert_eq!(opened, Err(Error::LimitBytes));
    check(&accounts);
}

#[test]
fn limits_change_within_what_the_parent_has() {
    let mut accounts = machine();
    accounts.charge(PROGRAM, 0, 250, "p").unwrap();
    let set = accounts.set_limit(PROGRAM, amount(249, 3));
    assert_eq!(set, Err(Error::InUse));
    let set = accounts.set_limit(PROGRAM, amount(501, 3));
    assert_eq!(set, Err(Error::LimitBytes));
    let set = accounts.set_limit(PROGRAM, amount(500, 11));
    assert_eq!(set, Err(Error::LimitAllocations));
    accounts.set_limit(PROGRAM, amount(500, 10)).unwrap();
    assert_eq!(accounts.account(SHELL).unwrap().free(), Amount::NONE);
    accounts.set_limit(PROGRAM, amount(250, 1)).unwrap();
    let set = accounts.set_limit(ROOT, amount(499, 20));
    assert_eq!(set, Err(Error::InUse));
    accounts
        .set_limit(ROOT, amount(u64::MAX, u64::MAX))
        .unwrap();
    check(&accounts);
}

#[test]
fn sums_that_cannot_be_counted_are_refused() {
    let all = amount(u64::MAX, u64::MAX);
    let mut accounts = Accounts::<()>::new(ROOT, all, Bounds::default());
    accounts.open(SHELL, ROOT, all).unwrap();
    assert_eq!(
        accounts.open(OTHER, ROOT, amount(1, 0)),
        Err(Error::LimitBytes)
    );
    assert_eq!(accounts.set_limit(SHELL, all), Ok(()));
    accounts.open(PROGRAM, SHELL, amount(0, 0)).unwrap();
    assert_eq!(accounts.set_limit(PROGRAM, all), Ok(()));
    assert_eq!(accounts.may_charge(SHELL, 1), Err(Error::LimitBytes));
    check(&accounts);
}

#[test]
fn ranges_belong_to_one_holder() {
    let mut accounts = machine();
    let error = |done: Result<(), Refused<_>>| done.unwrap_err().error;
    accounts.charge(SHELL, 0x100, 0x10, "s").unwrap();
    for (base, bytes) in [(0x100, 0x10), (0xff, 2), (0x10f, 1), (0xf0, 0x40)] {
        assert_eq!(
            error(accounts.charge(SHELL, base, bytes, "x")),
            Error::Overlap
        );
    }
    assert_eq!(error(accounts.charge(SHELL, 0, 0, "x")), Error::BadRange);
    assert_eq!(
        error(accounts.charge(SHELL, u64::MAX, 2, "x")),
        Error::BadRange
    );
    accounts.charge(SHELL, u64::MAX, 1, "last").unwrap();
    accounts.charge(SHELL, 0x110, 1, "behind").unwrap();
    accounts.charge(SHELL, 0xff, 1, "before").unwrap();
    assert_eq!(accounts.covering(0x10f).unwrap().base, 0x100);
    assert_eq!(accounts.covering(u64::MAX).unwrap().payload, "last");
    assert_eq!(accounts.covering(0x111), None);
    assert_eq!(accounts.covering(0), None);
    assert_eq!(accounts.get(0x101), None);
    check(&accounts);
}

#[test]
fn only_the_holder_gives_back_or_away() {
    let mut accounts = machine();
    accounts.charge(SHELL, 8, 200, "s").unwrap();
    assert_eq!(accounts.refund(PROGRAM, 8), Err(Error::NotHolder));
    assert_eq!(accounts.refund(OTHER, 8), Err(Error::UnknownAccount));
    assert_eq!(accounts.refund(SHELL, 9), Err(Error::NoAllocation));
    let moved = accounts.transfer(8, PROGRAM, SHELL);
    assert_eq!(moved, Err(Error::NotHolder));
    accounts.transfer(8, SHELL, SHELL).unwrap();
    accounts.transfer(8, SHELL, PROGRAM).unwrap();
    assert_eq!(accounts.get(8).unwrap().account, PROGRAM);
    accounts.charge(PROGRAM, 300, 1, "p").unwrap();
    accounts.charge(SHELL, 400, 101, "s").unwrap();
    let moved = accounts.transfer(400, SHELL, PROGRAM);
    assert_eq!(moved, Err(Error::LimitBytes));
    assert_eq!(accounts.refund(PROGRAM, 8).unwrap().bytes, 200);
    check(&accounts);
}

#[test]
fn who_is_being_closed_does_nothing_more() {
    let mut accounts = machine();
    accounts.charge(PROGRAM, 0, 10, "p").unwrap();
    accounts.charge(ROOT, 100, 10, "r").unwrap();
    assert_eq!(accounts.close(ROOT), Err(Error::Root));
    assert_eq!(accounts.close(OTHER), Err(Error::UnknownAccount));
    accounts.close(SHELL).unwrap();
    assert!(accounts.account(PROGRAM).unwrap().closing);
    assert!(!accounts.account(ROOT).unwrap().closing);
    assert_eq!(accounts.close(PROGRAM), Err(Error::Closing));
    assert_eq!(accounts.may_charge(PROGRAM, 1), Err(Error::Closing));
    assert_eq!(accounts.refund(PROGRAM, 0), Err(Error::Closing));
    assert_eq!(accounts.transfer(0, PROGRAM, ROOT), Err(Error::Closing));
    assert_eq!(accounts.transfer(100, ROOT, PROGRAM), Err(Error::Closing));
    assert_eq!(
        accounts.open(OTHER, PROGRAM, Amount::NONE),
        Err(Error::Closing)
    );
    assert_eq!(accounts.set_limit(SHELL, Amount::NONE), Err(Error::Closing));
    // In steps of one: the allocation, the program, the shell.
    assert_eq!(accounts.step(1).released.len(), 1);
    assert_eq!(accounts.step(1).closed, [PROGRAM]);
    assert_eq!(accounts.step(1).closed, [SHELL]);
    assert!(!accounts.has_closing());
    // The numbers can be used again.
    accounts.open(PROGRAM, ROOT, amount(990, 19)).unwrap();
    check(&accounts);
}

#[test]
fn accounts_are_bounded_in_number_and_depth() {
    let bounds = Bounds {
        accounts: 3,
        depth: 2,
    };
    let mut accounts = Accounts::<()>::new(ROOT, Amount::NONE, bounds);
    let mut open = |account, parent| accounts.open(account, parent, Amount::NONE);
    open(SHELL, ROOT).unwrap();
    assert_eq!(open(PROGRAM, SHELL), Err(Error::TooDeep));
    assert_eq!(open(SHELL, ROOT), Err(Error::AccountExists));
    assert_eq!(open(PROGRAM, OTHER), Err(Error::UnknownAccount));
    open(PROGRAM, ROOT).unwrap();
    assert_eq!(open(OTHER, ROOT), Err(Error::TooManyAccounts));
}

#[test]
fn every_reason_has_a_code_of_its_own() {
    let codes: std::collections::BTreeSet<_> =
        Error::ALL.iter().map(|error| error.code().name()).collect();
    assert_eq!(codes.len(), Error::ALL.len());
    assert!(Error::Closing.to_string().contains("closed"));
}
