//! Binding: refusals, limits, and that dropped connections are free again.

use super::{Client, Echo, PATIENCE, client_of, free, soon};
use crate::harness::{Failure, Outcome, equal, refused, that};
use crate::processes::Test;
use crate::world::sleep;
use alloc::vec::Vec;
use aos::binding::{Acceptor, Heard, bind};
use aos::channel::Channel;
use aos::flounder::{Limits, within};
use aos::{Error, ErrorCode, event, names, thread, time};
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;

pub const TESTS: &[Test] = &[
    ("nobody offers that", nobody),
    ("no more connections than there may be", too_many),
    ("bound and dropped 300 times", balance),
    ("an acceptor that rejects", rejected),
    ("an acceptor that drops who asks", asked_and_dropped),
    ("acceptors that are dropped", acceptors),
    ("another interface", wrong_interface),
];

fn nobody() -> Outcome {
    for number in [0, 9_999, u32::MAX] {
        refused(event::block_on(bind(number)), ErrorCode::MonInvalidIref)?;
    }
    Ok(())
}

fn too_many() -> Outcome {
    let echo = Echo::start("svc/limit")?;
    for round in 0..3 {
        let mut clients = Vec::new();
        let refusal = loop {
            match client_of("svc/limit") {
                Ok(client) => clients.push(client),
                Err(error) => break error,
            }
            that(clients.len() <= 100, "a limit")?;
        };
        refused::<()>(Err(refusal), ErrorCode::MonTooManyConnections)?;
        // One is the name server's.
        that(clients.len() >= 60, "not before the limit")?;
        for client in &clients {
            soon(client.null())?;
        }
        if round == 0 {
            // A dropped one is free at once.
            for _ in 0..5 {
                clients.pop();
                let one = client_of("svc/limit")?;
                soon(one.null())?;
                clients.push(one);
            }
        }
    }
    echo.end()
}

fn balance() -> Outcome {
    let echo = Echo::start("svc/balance")?;
    let rounds = |count: u32| -> Outcome {
        for _ in 0..count {
            let client = echo.client()?;
            soon(client.null())?;
        }
        Ok(())
    };
    rounds(30)?;
    let before = free();
    rounds(300)?;
    equal(before.saturating_sub(free()), 0)?;
    echo.end()
}

/// Binds to a service of this domain, whose thread does that with who asks.
fn hosted(
    answer: fn(&Acceptor, Heard) -> Result<Option<Channel>, Error>,
) -> Result<Result<Channel, Error>, Failure> {
    let mut acceptor = Acceptor::new()?;
    let service = acceptor.service();
    let host = thread::spawn("host", move || {
        event::block_on(async {
            let heard = poll_fn(|cx| match acceptor.hear() {
                Some(heard) => Poll::Ready(Ok(heard)),
                None => {
                    acceptor.watch(cx.waker());
                    Poll::Pending
                }
            });
            let heard = within(heard, event::sleep_until(time::after(PATIENCE))).await?;
            let channel = answer(&acceptor, heard);
            event::sleep_until(time::after(Duration::from_millis(10))).await;
            channel
        })
    })?;
    let bound = event::block_on(bind(service));
    let _ = host.join()?;
    Ok(bound)
}

fn rejected() -> Outcome {
    for _ in 0..5 {
        let bound = hosted(|acceptor, heard| match heard {
            Heard::Asked(asked) => acceptor.reject(asked).map(|()| None),
            Heard::Gone { .. } => Ok(None),
        })?;
        refused(bound, ErrorCode::MonBindRejected)?;
    }
    let bound = hosted(|acceptor, heard| match heard {
        Heard::Asked(asked) => acceptor.accept(asked).map(Some),
        Heard::Gone { .. } => Ok(None),
    })?;
    drop(bound?);
    Ok(())
}

fn asked_and_dropped() -> Outcome {
    let bound = hosted(|_, heard| {
        drop(heard);
        Ok(None)
    })?;
    that(bound.is_err(), "an error")
}

fn acceptors() -> Outcome {
    let round = || -> Outcome {
        let acceptor = Acceptor::new()?;
        let service = acceptor.service();
        drop(acceptor);
        sleep(Duration::from_micros(100));
        refused(event::block_on(bind(service)), ErrorCode::MonInvalidIref)
    };
    for _ in 0..10 {
        round()?;
    }
    let before = free();
    for _ in 0..100 {
        round()?;
    }
    equal(before.saturating_sub(free()), 0)
}

fn wrong_interface() -> Outcome {
    let echo = Echo::start("svc/wrong")?;
    let found = names::nameservice_lookup("svc/wrong")?;
    for (name, version, code) in [
        (1, 2, ErrorCode::FlounderInterface),
        (super::hostile::NAME, 2, ErrorCode::FlounderVersion),
    ] {
        let connection = event::block_on(async {
            let channel = bind(found.handle).await?;
            aos::flounder::Connection::<_, aos::sync::Shared>::bind(
                channel,
                Limits::default(),
                name,
                version,
            )
            .await
        });
        refused(connection, code)?;
    }
    let right: Client = client_of("svc/wrong")?;
    soon(right.null())?;
    drop(right);
    echo.end()
}
