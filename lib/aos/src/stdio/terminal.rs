//! The connection to the terminal: one for all threads, made when it is needed and anew when the terminal was started again.

use crate::binding::bind;
use crate::channel::Channel;
use crate::error::{Error, ErrorCode};
use crate::event::{self, sleep_until};
use crate::sync::{Mutex, Shared};
use crate::{names, time};
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use flounder::Call;
use services::terminal::{LIMITS, Mode, NAME, TerminalClient, WRITE_MAX};

/// The client's side of the terminal's interface.
pub type Terminal = TerminalClient<Channel, Shared>;

/// How long one waits for a terminal that is not there: it may be about to start.
const PATIENCE: Duration = Duration::from_secs(3);
/// As long as there is none, output waits so long for it, so often.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The time between two tries to connect.
const PAUSE: Duration = Duration::from_millis(10);
/// How often a call is made again because the connection was lost in it.
const TRIES: u32 = 8;

static CONNECTION: Mutex<Option<Terminal>> = Mutex::new(None);
/// This program reads and writes raw; the next connection is to know.
static IS_RAW: AtomicBool = AtomicBool::new(false);
/// There was no terminal, and output does not look for it before that.
static LOOK_AT: AtomicU64 = AtomicU64::new(0);

/// The connection to the terminal.
///
/// # Errors
/// Why there is none, after three seconds: the name server's, or [`bind`]'s.
pub fn terminal() -> Result<Terminal, Error> {
    event::block_on(connect())
}

/// The same, without blocking the thread.
///
/// # Errors
/// As [`terminal`].
pub async fn connect() -> Result<Terminal, Error> {
    connect_within(PATIENCE).await
}

fn present() -> Option<Terminal> {
    let present = CONNECTION.lock().clone();
    present.filter(|terminal| terminal.connection().lost().is_none())
}

async fn connect_within(patience: Duration) -> Result<Terminal, Error> {
    let deadline = time::after(patience);
    loop {
        if let Some(terminal) = present() {
            return Ok(terminal);
        }
        let once = pin!(try_to_connect());
        match flounder::within(once, sleep_until(deadline)).await {
            Ok(terminal) => {
                // Who was faster is replaced: his connection lives as long as he uses it.
                *CONNECTION.lock() = Some(terminal.clone());
                return Ok(terminal);
            }
            Err(error) if time::now() >= deadline => return Err(error),
            Err(_) => sleep_until(time::after(PAUSE)).await,
        }
    }
}

async fn try_to_connect() -> Result<Terminal, Error> {
    let found = names::connect().await?.lookup(names::name(NAME)?).await?;
    let channel = bind(found.handle).await?;
    let terminal = Terminal::bind(channel, LIMITS).await?;
    if IS_RAW.load(Ordering::Relaxed) {
        terminal.set_mode(Mode::Raw).await?;
    }
    Ok(terminal)
}

/// Makes a call to the terminal, and again whenever the connection was lost in it. Nobody has the foreground of a terminal that was started again.
///
/// # Errors
/// The call's; as [`terminal`].
pub fn ask<V>(make: impl Fn(&Terminal) -> Call<'_, Channel, Shared, V>) -> Result<V, Error> {
    ask_within(PATIENCE, make)
}

fn ask_within<V>(
    patience: Duration,
    make: impl Fn(&Terminal) -> Call<'_, Channel, Shared, V>,
) -> Result<V, Error> {
    let mut lost = 0;
    loop {
        let terminal = event::block_on(connect_within(patience))?;
        match event::call(make(&terminal)) {
            Err(error) if error.contains(ErrorCode::FlounderConnectionLost) && lost < TRIES => {
                lost += 1;
            }
            result => return result,
        }
    }
}

/// Changes how this program reads and writes, for good: also when the terminal is started again.
///
/// # Errors
/// As [`ask`].
pub fn set_mode(mode: Mode) -> Result<(), Error> {
    crate::console::flush();
    IS_RAW.store(mode == Mode::Raw, Ordering::Relaxed);
    ask(|terminal| terminal.set_mode(mode))
}

/// Prints. Waits as long as the terminal takes nothing, but not for one that is gone.
pub(super) fn print(bytes: &[u8]) -> Result<(), Error> {
    let patience = match LOOK_AT.load(Ordering::Relaxed) {
        0 => PATIENCE,
        at if time::now() < at => return Err(Error::new(ErrorCode::FlounderConnectionLost)),
        _ => LOOK,
    };
    for part in bytes.chunks(WRITE_MAX) {
        if let Err(error) = ask_within(patience, |terminal| terminal.write(part)) {
            LOOK_AT.store(time::after(LOOK_AGAIN), Ordering::Relaxed);
            return Err(error);
        }
    }
    LOOK_AT.store(0, Ordering::Relaxed);
    Ok(())
}
