//! A panic ends the domain with a clear message.

use crate::arch::backtrace::Calls;
use crate::exit::{self, DomainName};
use crate::report;
use core::fmt;
use core::panic::PanicInfo;
use initproto::STATUS_PANIC;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let name = Who(DomainName::own(), exit::running());
    match info.location() {
        Some(place) => crate::console::emergency(format_args!(
            "{name}: panicked at {}:{}: {}\n",
            place.file(),
            place.line(),
            info.message()
        )),
        None => crate::console::emergency(format_args!("{name}: panicked: {}\n", info.message())),
    }
    report::calls(Calls::here());
    exit::end(&initproto::Message::Exit {
        status: STATUS_PANIC,
    })
}

/// The domain, and the thread if it is not the main thread.
struct Who(DomainName, Option<crate::thread::Name>);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(thread) => write!(f, "{}: thread {thread}", self.0),
            None => self.0.fmt(f),
        }
    }
}
