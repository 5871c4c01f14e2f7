//! How long things take here.

use super::{in_range, micros};
use alloc::string::String;
use alloc::vec::Vec;
use aos::flounder::Limits;
use aos::{Error, Status, event, names, println, time};
use services::memory::MemoryClient;
use services::process::{Order, ProcessesClient};

/// Rounds without an argument, and at most.
const DEFAULT: u32 = 20;
const MOST: u32 = 10_000;

/// Measures.
///
/// # Errors
/// A server cannot be reached.
pub fn run(rounds: Option<u32>) -> Result<Status, Error> {
    let rounds = rounds.unwrap_or(DEFAULT);
    if !in_range("bench", rounds, MOST) {
        return Ok(crate::USAGE);
    }
    println!("{:24} {:>12} {:>12}", "MICROSECONDS", "LEAST", "MIDDLE");
    measure("name look-up", rounds, || {
        names::nameservice_lookup("service/process").map(drop)
    })?;
    let channel = names::connect_to("service/memory")?;
    let memory = event::block_on(MemoryClient::<_, aos::sync::Shared>::bind(
        channel,
        Limits::default(),
    ))?;
    measure("call, nothing to do", rounds, || {
        event::call(memory.total()).map(drop)
    })?;
    let channel = names::connect_to("service/process")?;
    let processes = event::block_on(ProcessesClient::<_, aos::sync::Shared>::bind(
        channel,
        Limits::default(),
    ))?;
    measure("program, start to end", rounds.min(MOST_PROGRAMS), || {
        let args = ["shell", "--applet", "nothing"].map(String::from).to_vec();
        let order = Order {
            args,
            env: Vec::from([String::from("STDOUT=stream:0:0")]),
            ..Order::default()
        };
        let pid = event::call(processes.spawn(order, Vec::new()))?;
        event::call(processes.wait(pid)).map(drop)
    })?;
    Ok(Status::SUCCESS)
}

/// Programs that are started at most.
const MOST_PROGRAMS: u32 = 20;

fn measure(
    name: &str,
    rounds: u32,
    mut once: impl FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    let mut all = Vec::new();
    for _ in 0..rounds {
        let begun = time::now();
        once()?;
        all.push(time::now().saturating_sub(begun));
    }
    all.sort_unstable();
    let (least, middle) = (all.first(), all.get(all.len() / 2));
    let shown = |ticks: Option<&u64>| micros(ticks.copied().unwrap_or(0), 1);
    println!("{name:24} {:>12} {:>12}", shown(least), shown(middle));
    Ok(())
}
