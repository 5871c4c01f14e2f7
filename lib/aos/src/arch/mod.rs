//! Everything of the library OS that knows the processor, and nearly all of its `unsafe`.
//!
//! | Module | What | Why it is sound |
//! |---|---|---|
//! | [`backtrace`] | who called whom | reads the stacks in use only |
//! | [`cache`] | cache maintenance | changes no memory |
//! | [`call`] | the system call instruction | exact clobbers, as `kpi::syscall` states them |
//! | [`context`] | what belongs to a thread | its header |
//! | `copy` | `memcpy` and `memset` | what they are to do, and nothing else |
//! | [`counter`] | the counter | reads a register |
//! | [`dispatcher`] | the words shared with the kernel | volatile accesses inside the mapped frame |
//! | [`entry`] | first instruction, upcalls, leaving disabled mode, blocking | the protocol in its header |
//! | [`scheduler`] | running threads | the book is used disabled |
//! | [`switch`] | from one stack to another | registers lie where its header says |
//! | [`exception`] | exceptions that threads handle | its header |
//! | [`locks`], [`once`] | locks of `threads` as `lock_api` wants them | the locks' own proof |
//! | [`locals`] | values of threads | its header |
//! | [`waker`] | wakers of threads | they own nothing |
//! | [`packet`] | closures and values on stacks of threads | its header |
//! | [`heap`] | the heap's arena | given away once, before `main` |
//! | [`memory`] | views of memory that this domain has mapped | a view owns its mapping |
//!
//! Rules: (1) a register convention is written beside the assembly that relies on it; (2) nothing here allocates,
//! but for a thread's own values; (3) what runs while the dispatcher is disabled touches only the dispatcher frame, `.data`, `.bss` and
//! contexts, which are mapped for good, and the top of the running thread's stack, touched before.

pub(crate) mod backtrace;
pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod context;
mod copy;
pub(crate) mod counter;
pub(crate) mod cycles;
pub(crate) mod dispatcher;
pub(crate) mod entry;
pub(crate) mod exception;
pub(crate) mod heap;
pub(crate) mod lines;
pub(crate) mod locals;
pub(crate) mod locks;
pub(crate) mod memory;
pub(crate) mod once;
pub(crate) mod packet;
pub(crate) mod scheduler;
pub(crate) mod switch;
pub(crate) mod waker;
