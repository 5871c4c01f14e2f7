//! Programs for scripts at a prompt, in both profiles: the terminal by the course's calls, each call once for a grader, whole lines, nothing left over.

use super::{call, free_of_server, memory_channel, process_channel, start, word};
use crate::parts::DONE;
use crate::world::sleep;
use alloc::vec::Vec;
use aos::cap::{cap_delete, cap_direct_identify};
use aos::rpc::{
    SerialChannel, aos_rpc_get_init_channel, aos_rpc_get_ram_cap, aos_rpc_get_serial_channel,
    aos_rpc_process_get_all_pids, aos_rpc_process_get_name, aos_rpc_process_wait,
    aos_rpc_send_number, aos_rpc_send_string, aos_rpc_serial_getchar, aos_rpc_serial_putchar,
};
use aos::slot::slot_free;
use aos::{Args, Error, ErrorCode, print, println, stdio, time};
use core::time::Duration;

fn put(channel: &SerialChannel, text: &str) -> Result<(), Error> {
    let mut bytes = text.bytes();
    bytes.try_for_each(|byte| aos_rpc_serial_putchar(channel, byte))
}

/// What is typed next is typed now.
fn ready() -> Result<(), Error> {
    print!("barreleye> ");
    stdio::flush()
}

/// A line, by the standard streams.
pub fn line() -> Result<(), Error> {
    ready()?;
    println!("child: {:?}", stdio::read_line()?);
    Ok(())
}

/// Reads so many characters, and prints them: all by the course's calls. With a second word it says when it reads.
pub fn characters(count: u64) -> Result<(), Error> {
    let channel = aos_rpc_get_serial_channel()?;
    if word(1) > 0 {
        ready()?;
    }
    let mut typed = Vec::new();
    for _ in 0..count {
        typed.push(aos_rpc_serial_getchar(&channel)?);
    }
    put(&channel, &alloc::format!("{} got ", Args::own().pid()))?;
    for byte in typed {
        let byte = if byte == b'\n' { b'|' } else { byte };
        aos_rpc_serial_putchar(&channel, byte)?;
    }
    put(&channel, "\n")
}

/// Two programs wait for characters at once; each gets those that are typed while it has the foreground.
pub fn two(count: u64) -> Result<(), Error> {
    let serial = aos_rpc_get_serial_channel()?;
    let processes = process_channel()?;
    let (first, second) = (start("sup-chars", &[count])?, start("sup-chars", &[count])?);
    // Both wait.
    sleep(Duration::from_millis(50));
    for (which, pid) in [("first", first), ("second", second)] {
        put(&serial, &alloc::format!("{pid} is {which}\n"))?;
        call(serial.lend(pid))?;
        ready()?;
        let ended = aos_rpc_process_wait(&processes, pid)?;
        // Its end gives the foreground back.
        if ended.status != DONE {
            return Err(Error::new(ErrorCode::SpawnRun));
        }
        let _ = call(serial.take_back());
    }
    Ok(())
}

/// Each call of the course, once, for a grader to see.
pub fn calls() -> Result<(), Error> {
    let init = aos_rpc_get_init_channel()?;
    aos_rpc_send_number(&init, 42)?;
    aos_rpc_send_string(&init, "hello, grader")?;
    let memory = memory_channel()?;
    let (ram, _) = aos_rpc_get_ram_cap(&memory, 4096, 4096)?;
    call(memory.free(cap_direct_identify(ram)?.address()))?;
    let _ = cap_delete(ram);
    slot_free(ram)?;
    let processes = process_channel()?;
    let pid = start("exit", &[])?;
    let name = aos_rpc_process_get_name(&processes, 1)?;
    aos_rpc_process_wait(&processes, pid)?;
    let all = aos_rpc_process_get_all_pids(&processes)?;
    let serial = aos_rpc_get_serial_channel()?;
    aos_rpc_serial_putchar(&serial, b'z')?;
    aos_rpc_serial_putchar(&serial, b'\n')?;
    ready()?;
    let byte = aos_rpc_serial_getchar(&serial)?;
    println!("{name}, {} processes, typed {byte:?}", all.len());
    Ok(())
}

/// Waits until nobody has memory of the memory server's, and says what is still used.
pub fn idle() -> Result<(), Error> {
    let memory = memory_channel()?;
    let deadline = time::after(crate::services::PATIENCE);
    loop {
        let (total, _, clients) = call(memory.total())?;
        let used = total - free_of_server(&memory)?;
        // The first page is never given.
        if (used <= 4096 && clients == 1) || time::now() > deadline {
            println!("{used} bytes used, {clients} clients");
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
}

/// Reads lines as `term-writer` and `term-threads` print them to the end of its input: each is to be whole, and there are to be so many.
pub fn whole(count: u64) -> Result<(), Error> {
    let (mut good, mut bad) = (0, 0);
    while let Some(line) = stdio::read_line()? {
        match is_whole(&line) {
            true => good += 1,
            false => {
                bad += 1;
                println!("not whole: {line:?}");
            }
        }
    }
    println!("{good} whole lines, {bad} others");
    match (good, bad) == (count, 0) {
        true => Ok(()),
        false => Err(Error::new(ErrorCode::SpawnRun)),
    }
}

/// `<WHO NNN MIDDLE WHO>`.
fn is_whole(line: &str) -> bool {
    let inner = line
        .strip_prefix('<')
        .and_then(|line| line.strip_suffix('>'));
    let Some(inner) = inner else { return false };
    let words: Vec<&str> = inner.split(' ').collect();
    match words.as_slice() {
        [who, number, middle, again] => {
            let known = "abcdefghijklmnopqrstuvwxyz0123456789";
            let number = number.parse().unwrap_or(u64::MAX);
            who == again && *middle == known.repeat((number % 6) as usize)
        }
        _ => false,
    }
}
