//! Turns away what would rightfully end this domain.
//!
//! A domain has authority over itself: it may delete its own CNodes, stop its own dispatcher, unmap its own code, have its
//! own dispatcher frame overwritten by messages, or tell init that it has ended. None of that is the kernel's fault, so:
//!
//! * the slots that this domain lives by (its root, task, page, segment and mapping CNodes, its dispatcher, its frames, the
//!   endpoints to init) are no target, except that the root CNode is invoked and the L0 table is mapped into. Whatever the
//!   invoked capability's type, the arguments are checked for every meaning that the command's number has;
//! * nor are the boot information and the boot modules, which a trusted domain shares with init and may revoke;
//! * endpoints are minted only for the upper half of the dispatcher frame, which nothing else uses;
//! * a message never looks like the report of an end;
//! * the root CNode is not resized;
//! * `Print` is not given this program's memory, which is no text.

use aos::kpi::addr::CapAddr;
use aos::kpi::layout::{DISPATCHER_FRAME_BYTES, PROGRAM_BASE};
use aos::kpi::slots::{DISPATCHER, ROOTCN, VROOT, root, task, task_addr};
use aos::kpi::syscall::{CallWord, SendFlags, Syscall};

/// A slot that is empty.
const NOTHING: u64 = CapAddr::new(root::SLOT_ALLOC2, 255).0 as u64;
/// Least buffer offset for an endpoint.
const LEAST_OFFSET: u64 = DISPATCHER_FRAME_BYTES / 2;

/// Whether an address leads to something this domain lives by. The kernel may look at the lower half of a word only, so
/// that is what counts here.
fn is_vital(address: u64, level: u64) -> bool {
    let address = CapAddr(address as u32);
    match level & 0xff {
        0 => true,
        1 => address.l1() < root::FIRST_FREE,
        2 => match address.l1() {
            root::TASKCN => {
                let vital = [
                    task_addr(task::TASKCN),
                    DISPATCHER,
                    ROOTCN,
                    task_addr(task::DISPFRAME),
                    task_addr(task::BOOTINFO),
                    task_addr(task::ARGSPAGE),
                    task_addr(task::INITEP),
                    task_addr(task::MONITOREP),
                ];
                vital.contains(&address)
            }
            l1 => [
                root::PAGECN,
                root::SEGCN,
                root::MODULECN,
                root::ROOT_MAPPING,
            ]
            .contains(&l1),
        },
        _ => false,
    }
}

/// A call under inspection.
struct Call<'a>(&'a mut [u64; 12]);

impl Call<'_> {
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    fn set(&mut self, index: usize, value: u64) {
        if let Some(word) = self.0.get_mut(index) {
            *word = value;
        }
    }

    /// Replaces an address by one that names nothing, if it is vital at that level. Level 0 names the root whatever the
    /// address is, so the caller changes the level too.
    fn protect(&mut self, index: usize, level: u64) -> bool {
        let vital = is_vital(self.word(index), level);
        if vital {
            self.set(index, NOTHING);
        }
        vital
    }

    /// The same with the level in a word of its own.
    fn protect_with_level(&mut self, index: usize, level_index: usize) {
        if self.protect(index, self.word(level_index)) {
            self.set(level_index, 2);
        }
    }

    fn send(&mut self, word: CallWord) {
        // x2: a capability to transfer, which GIVEAWAY deletes.
        if is_vital(self.word(2), word.command().into()) {
            self.set(2, 0);
        }
        // First payload word: the tags of reports are small.
        self.set(3, self.word(3) | 0x80);
    }

    fn invocation(&mut self, word: CallWord) {
        let (command, level) = (word.command(), word.level());
        let invoked = CapAddr(self.word(1) as u32);
        let is_root = invoked == ROOTCN && level == 2;
        let maps_into_own = invoked == VROOT && level == 2 && command == 0;
        if is_vital(self.word(1), level) && !is_root && !maps_into_own {
            self.set(1, NOTHING);
            if level == 0 {
                self.set(0, self.word(0) | 2 << 16);
            }
        }
        match command {
            // Copy, Mint: source x6, its level x8; Mint's offset x9. Setup: CSpace x2, L0 table x4, frame x5. Unmap: x2.
            0 | 1 => {
                self.protect_with_level(6, 8);
                if self.word(9) < LEAST_OFFSET {
                    self.set(9, self.word(9) | LEAST_OFFSET);
                }
                if !is_root {
                    for index in [2, 4, 5] {
                        self.protect(index, 2);
                    }
                }
            }
            // Retype: source x3, its level in x5.
            2 => {
                if self.protect(3, self.word(5) >> 24) {
                    self.set(5, self.word(5) & !(0xff << 24) | 2 << 24);
                }
            }
            // Delete, Revoke: x2, level x3.
            3 | 4 => self.protect_with_level(2, 3),
            // Resize: identify instead.
            8 => self.set(0, self.word(0) | 1 << 8),
            _ => {}
        }
    }
}

/// Makes a call harmless for this domain; leaves it alone otherwise.
pub fn sanitize(words: &mut [u64; 12]) {
    let mut call = Call(words);
    let word = CallWord(call.word(0));
    match Syscall::from_word(word.0) {
        Some(Syscall::Invoke) if word.flags().contains(SendFlags::IDENTIFY) => {
            call.invocation(word);
        }
        // An invocation of anything but an endpoint, even without the flag.
        Some(Syscall::Invoke) => {
            call.send(word);
            let to_init = call.word(1) as u32 == task_addr(task::INITEP).0;
            if !to_init {
                call.invocation(word);
            }
        }
        Some(Syscall::Print) if call.word(1) >= PROGRAM_BASE.0 => call.set(2, 0),
        _ => {}
    }
}
