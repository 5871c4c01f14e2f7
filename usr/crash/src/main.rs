//! Ends by a fault: `crash KIND`. Every kind must give one clear message and leave the system as it was.
#![no_std]
#![no_main]

mod kinds;

use aos::{Args, Status, println};

#[aos::main]
fn main(args: Args) -> Status {
    let wanted = args.words().next().unwrap_or("");
    let kind = kinds::ALL.iter().find(|kind| kind.name == wanted);
    match kind {
        Some(kind) => {
            (kind.run)();
            println!("crash: nothing happened, although the domain must not survive this");
        }
        None => {
            println!("usage: crash KIND, where KIND is one of");
            for kind in kinds::ALL {
                println!("  {:16} {}", kind.name, kind.what);
            }
            return Status(64);
        }
    }
    Status(1)
}
