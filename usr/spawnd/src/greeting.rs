//! The course's init channel, `service/init`: a thread of its own, so that a long text keeps nobody waiting who wants a process.

use aos::{Error, println, thread};
use serving::greeting::{self, NAME};

/// Begins to take numbers and texts.
///
/// # Errors
/// Why there is no thread.
pub fn start(grading: bool) -> Result<(), Error> {
    let thread = thread::spawn("init channel", move || {
        if let Err(error) = serve(grading) {
            println!("spawnd: no init channel: {error}");
        }
    })?;
    // It never ends.
    drop(thread);
    Ok(())
}

fn serve(grading: bool) -> Result<(), Error> {
    let mut host = greeting::host()?;
    host.register_later(NAME, "")?;
    greeting::serve(&mut host, grading);
    Ok(())
}
