//! Programs at the terminal, for the script `terminal.script`: a launcher, a small shell, and what that starts.
//!
//! `module /sbin/tests spawnd terminal`: the launcher has the machine's authority, passes the UART and the interrupts on to the shell, and powers off when
//! that has ended. The shell starts `gicd` and `serial`, and is else an ordinary program, with the terminal as its input and output.

mod clients;
mod shell;

use aos::cap::{CNodeRef, CapRef, cap_direct_identify, cap_retype, kernel};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::slots::{root, task};
use aos::proc::{Command, End};
use aos::slot::slot_alloc;
use aos::{Error, Status, println};

/// The UART of QEMU's `virt` board.
const UART: u64 = 0x900_0000;

/// What the children do: `tests --child term-PART`.
pub fn play(part: &str, number: u64) -> Result<(), Error> {
    match part {
        "term-shell" => shell::serve(),
        _ => clients::play(part, number),
    }
}

/// The launcher.
pub fn run() -> Status {
    match launch() {
        Ok(end) => println!("tests: the shell {end}"),
        Err(error) => {
            println!("tests: start them with `module /sbin/tests spawnd terminal`: {error}")
        }
    }
    println!("tests: {}", kernel::shutdown());
    Status(1)
}

fn launch() -> Result<End, Error> {
    let region = CNodeRef::own(root::PACN).slot(0);
    let offset = UART - cap_direct_identify(region)?.address();
    let uart = slot_alloc()?;
    cap_retype(uart, region, offset, ObjType::DevFrame, BASE_PAGE_SIZE, 1)?;
    let shell = Command::new("tests")
        .args(["--child", "term-shell"])
        .env("STDIN", "terminal")
        .env("STDOUT", "terminal")
        .pass(CapRef::task(task::IRQ))
        .pass(uart);
    shell.spawn()?.wait()
}
