//! Bugs on request, so that tests can see how the kernel reports its own.

use core::hint::black_box;

/// Does what `provoke=` asks for: `panic`, `fault` (an unmapped address) or `overflow` (of the stack). Other words: nothing.
pub fn provoke(what: &str) {
    match what {
        "panic" => on_request(),
        // SAFETY: not safe at all: nothing is mapped there, and the exception is what this is for.
        "fault" => unsafe { (0xffff_8000_0000_0000 as *const u64).read_volatile() as usize },
        "overflow" => deeper(1),
        _ => 0,
    };
}

#[inline(never)]
#[expect(clippy::panic, reason = "this is the test of panics")]
fn on_request() -> usize {
    panic!("on request")
}

#[inline(never)]
#[expect(
    unconditional_recursion,
    reason = "running off the stack is what this is for"
)]
fn deeper(depth: usize) -> usize {
    let frame = black_box([depth; 128]);
    deeper(depth + 1) + frame.iter().sum::<usize>()
}
