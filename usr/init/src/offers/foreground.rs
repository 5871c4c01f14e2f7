//! The terminal's foreground is the prompt's, which lends it to the program that it waits for: init as a client of its own terminal, by loopback.
//!
//! The main thread never waits for the answer: each call is a task that is polled whenever children are [tended](crate::children::Children::tend).

use crate::children::INIT_PID;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use aos::Error;
use aos::service::{Host, Local};
use aos::sync::{Mutex, Shared};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Waker};
use services::terminal::{LIMITS, TerminalClient};

type Client = TerminalClient<Local, Shared>;
type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// The connection, until the main thread takes it.
static OFFERED: Mutex<Option<Local>> = Mutex::new(None);

/// Makes the connection; the terminal's thread does.
pub fn offer(terminal: &mut Host) {
    *OFFERED.lock() = terminal.connect_locally(INIT_PID);
}

/// The prompt's side.
#[derive(Default)]
pub struct Foreground {
    connecting: Option<Task<Result<Client, Error>>>,
    client: Option<Client>,
    /// What was asked, in this order.
    asked: VecDeque<Task<Result<(), Error>>>,
    /// To whom it is lent, or is to be.
    lent: Option<u32>,
}

impl core::fmt::Debug for Foreground {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Foreground")
            .field("lent", &self.lent)
            .finish_non_exhaustive()
    }
}

impl Foreground {
    /// Lends it to a program that init waits for from now on.
    pub fn lend(&mut self, pid: u32) {
        self.lent = Some(pid);
        if let Some(client) = self.client.clone() {
            self.asked
                .push_back(Box::pin(async move { client.lend(pid).await }));
        }
        self.tend();
    }

    /// Has it back.
    pub fn take_back(&mut self) {
        if self.lent.take().is_none() {
            return;
        }
        if let Some(client) = self.client.clone() {
            self.asked
                .push_back(Box::pin(async move { client.take_back().await }));
        }
        self.tend();
    }

    /// Moves on what was asked.
    pub fn tend(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        if let Some(local) = OFFERED.lock().take() {
            self.connecting = Some(Box::pin(Client::bind(local, LIMITS)));
        }
        if let Some(connecting) = &mut self.connecting
            && let core::task::Poll::Ready(client) = connecting.as_mut().poll(cx)
        {
            self.connecting = None;
            if let Ok(client) = client {
                self.connected(client);
            }
        }
        while let Some(first) = self.asked.front_mut() {
            // A refusal is right: the borrower has gone.
            if first.as_mut().poll(cx).is_pending() {
                break;
            }
            self.asked.pop_front();
        }
    }

    fn connected(&mut self, client: Client) {
        let claiming = client.clone();
        let claim = async move { claiming.claim().await };
        self.asked.push_back(Box::pin(claim));
        self.client = Some(client);
        // Who was started before the terminal was there.
        if let Some(pid) = self.lent {
            self.lend(pid);
        }
    }
}
