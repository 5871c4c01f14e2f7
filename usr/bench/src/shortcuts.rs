//! What each shortcut of messages is worth: calls of `echo` with one of them switched off at both ends.

use crate::meter::{Meter, one};
use alloc::vec;
use aos::binding::bind;
use aos::boot::Boot;
use aos::channel::Channel;
use aos::flounder::{Limits, Single};
use aos::lmp::Shortcut;
use aos::proc::Command;
use aos::{Error, event, names};
use core::time::Duration;
use services::echo::EchoClient;

/// What is switched off, how the environment says it, and what a row is called then.
const WITHOUT: [(Option<Shortcut>, &str, &str); 4] = [
    (None, "", "with all shortcuts"),
    (Some(Shortcut::Deferred), "no-deferred", "nothing deferred"),
    (Some(Shortcut::ReplyWait), "off", "no ReplyWait"),
    (Some(Shortcut::Window), "no-window", "no window"),
];

/// Runs all of them.
///
/// # Errors
/// The first that an operation returns.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "shortcuts";
    if Boot::of_trusted().is_err() {
        return Ok(());
    }
    for (shortcut, word, title) in WITHOUT {
        let child = Command::of_line("echo bench/shortcuts")?
            .env("LMP_FAST_PATH", word)
            .spawn()?;
        let set = |on| shortcut.into_iter().for_each(|one: Shortcut| one.set(on));
        set(false);
        let found = names::nameservice_wait_for("bench/shortcuts", Duration::from_secs(5))?;
        let echo = event::block_on(async {
            let channel = bind(found.handle).await?;
            EchoClient::<Channel, Single>::bind(channel, Limits::large()).await
        })?;
        let nothing = || Ok(());
        let name = |what: &str| alloc::format!("{what}, {title}");
        if shortcut != Some(Shortcut::Window) {
            let (call, awaited) = (name("null call"), name("awaited"));
            meter.measure(one(&call, 0), || event::call(echo.null()), nothing)?;
            meter.measure(one(&awaited, 0), || event::block_on(echo.null()), nothing)?;
        }
        let data = vec![0x5a; 64 << 10];
        let long = name("64 KiB");
        let call = || event::call(echo.count(&data)).map(drop);
        meter.measure(one(&long, 0), call, nothing)?;
        event::call(echo.end())?;
        child.wait().map(drop)?;
        set(true);
    }
    Ok(())
}
