//! A panic ends the domain with a clear message.

use crate::exit::{self, DomainName};
use core::panic::PanicInfo;
use initproto::STATUS_PANIC;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let name = DomainName::own();
    match info.location() {
        Some(place) => crate::console::emergency(format_args!(
            "{name}: panicked at {}:{}: {}\n",
            place.file(),
            place.line(),
            info.message()
        )),
        None => crate::console::emergency(format_args!("{name}: panicked: {}\n", info.message())),
    }
    exit::end(&initproto::Message::Exit {
        status: STATUS_PANIC,
    })
}
