//! The commands that list: mem, modules; and the hidden one that checks the kernel.

use super::Context;
use aos::cap::kernel;
use aos::json::Quoted;
use aos::{Error, println, ram, slot, syscall};

/// `total= used= free= largest=` in bytes. Used is all that is not free: kernel, boot image, init, programs.
pub fn mem(context: &mut Context<'_>) -> u8 {
    let usage = ram::mm_usage();
    let total = context.boot.info().ram_bytes.max(usage.total);
    let used = total - usage.free;
    let (free, largest) = (usage.free, usage.largest);
    if context.json {
        println!("{{\"total\":{total},\"used\":{used},\"free\":{free},\"largest\":{largest}}}");
    } else {
        println!("total={total} used={used} free={free} largest={largest}");
    }
    0
}

/// `NAME BYTES ARGS`.
pub fn modules(context: &mut Context<'_>) -> u8 {
    if !context.json {
        println!("{:16} {:>9} ARGS", "NAME", "BYTES");
    }
    for module in context.boot.modules() {
        let (name, bytes, args) = (module.name(), module.file_bytes(), module.args());
        if context.json {
            println!(
                "{{\"name\":{},\"bytes\":{bytes},\"args\":{}}}",
                Quoted(name),
                Quoted(args)
            );
        } else {
            println!("{name:16} {bytes:>9} {args}");
        }
    }
    0
}

/// `used= capabilities= slots=`: init's memory in use, the capabilities that the kernel has, init's slots in use; and status 1 when they
/// are not what they were at the first call: something was lost between.
pub fn balance(context: &mut Context<'_>) -> u8 {
    let now = match in_use() {
        Ok(now) => now,
        Err(error) => {
            println!("the kernel does not count: {error}");
            return 1;
        }
    };
    let [used, capabilities, slots] = now;
    if context.json {
        println!("{{\"used\":{used},\"capabilities\":{capabilities},\"slots\":{slots}}}");
    } else {
        println!("used={used} capabilities={capabilities} slots={slots}");
    }
    u8::from(*context.children.balance.get_or_insert(now) != now)
}

/// Memory, capabilities and slots in use.
///
/// # Errors
/// The kernel's, when it does not count capabilities.
pub fn in_use() -> Result<[u64; 3], Error> {
    let capabilities = kernel::statistics()?.capabilities;
    let usage = ram::mm_usage();
    let (slots, free_slots) = slot::slot_usage();
    let used_slots = slots - free_slots;
    Ok([
        usage.total - usage.free,
        capabilities,
        u64::from(used_slots),
    ])
}

/// `stopped= gone=`: dispatchers that the kernel has said it stopped, and that are gone, since the boot.
pub fn told(context: &mut Context<'_>) -> u8 {
    // What waits in the kernel comes with the next calls.
    loop {
        let before = context.children.told;
        // It cannot fail.
        let _ = syscall::nop();
        context.children.tend();
        if context.children.told == before {
            break;
        }
    }
    let [stopped, gone] = context.children.told;
    if context.json {
        println!("{{\"stopped\":{stopped},\"gone\":{gone}}}");
    } else {
        println!("stopped={stopped} gone={gone}");
    }
    0
}

/// Checks the kernel's capability database; status 1 when an invariant is violated.
pub fn invariants(context: &mut Context<'_>) -> u8 {
    // Read first: the check's own entries do not count.
    let longest = kernel::statistics().map_or(0, |statistics| statistics.longest_entry);
    match kernel::check_invariants() {
        Ok(violated) => {
            if context.json {
                println!("{{\"violated\":{violated},\"longest_entry\":{longest}}}");
            } else {
                println!("violated={violated} longest_entry={longest}");
            }
            u8::from(violated != 0)
        }
        Err(error) => {
            println!("the kernel cannot check: {error}");
            1
        }
    }
}
