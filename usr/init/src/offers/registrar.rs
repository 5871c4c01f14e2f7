//! The names of init's services: registered with init's own name server, by loopback.
//!
//! Each service's thread tells its number; the thread of the name server registers it, beside serving, and answers as any client does when it is asked
//! whether it is still there.

use crate::children::INIT_PID;
use alloc::boxed::Box;
use alloc::vec::Vec;
use aos::flounder::Limits;
use aos::names::engine::RegisterOptions;
use aos::service::{Host, Local};
use aos::sync::{Mutex, Shared};
use aos::{Error, event, names, println, time};
use core::convert::Infallible;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use services::names::NamesClient;

type Client = NamesClient<Local, Shared>;

/// Before it is looked again whether there is something to register.
const AGAIN: Duration = Duration::from_millis(1);

/// Services that are to be registered.
static OFFERED: Mutex<Vec<(&'static str, u32)>> = Mutex::new(Vec::new());
/// How many were begun and are not registered yet; the name server counts as soon as it serves.
static MISSING: AtomicUsize = AtomicUsize::new(0);

/// One more is to come.
pub fn expect_one() {
    MISSING.fetch_add(1, Ordering::Relaxed);
}

/// One does not come, or is there.
pub fn expect_one_less() {
    MISSING.fetch_sub(1, Ordering::Relaxed);
}

/// Whether all are there.
pub fn is_done() -> bool {
    MISSING.load(Ordering::Relaxed) == 0
}

/// A service that is to be found by this name.
pub fn add(name: &'static str, host: &Host) {
    OFFERED.lock().push((name, host.service()));
}

/// Registers them, beside the name server's own work.
pub fn run(names: &mut Host) {
    expect_one_less();
    let Some(local) = names.connect_locally(INIT_PID) else {
        return;
    };
    let mut task = Box::pin(async {
        let Err(error) = register_all(local).await;
        println!("init: the services cannot be found: {error}");
    });
    let mut is_over = false;
    names.set_beside(move |cx| {
        is_over = is_over || task.as_mut().poll(cx).is_ready();
        core::task::Poll::Pending
    });
}

async fn register_all(local: Local) -> Result<Infallible, Error> {
    let client = Client::bind(local, Limits::default()).await?;
    while !is_done() {
        let offered = core::mem::take(&mut *OFFERED.lock());
        for (name, service) in offered {
            let options = RegisterOptions { replace: true };
            let (name, properties) = (names::name(name)?, names::properties("")?);
            client.register(name, service, properties, options).await?;
            expect_one_less();
        }
        event::sleep_until(time::after(AGAIN)).await;
    }
    loop {
        client.alive().await?;
    }
}
