//! Calls: some that look right, some that are noise.

use aos::kpi::cap::ObjType;
use aos::kpi::invocation::{
    CNodeCommand, DispatcherCommand, KernelCommand, MapWord, MappingCommand, RetypeWord,
    VNodeCommand,
};
use aos::kpi::slots::{ROOTCN, root, task};
use aos::kpi::syscall::{CallWord, SendFlags, Syscall};
use random::Random;

/// Makes calls.
pub struct Generator {
    random: Random,
}

/// Numbers at which mistakes gather.
const EDGES: [u64; 24] = [
    0,
    1,
    2,
    3,
    7,
    8,
    255,
    256,
    511,
    512,
    1023,
    1024,
    4095,
    4096,
    16384,
    65536,
    1 << 20,
    1 << 32,
    (1 << 48) - 1,
    1 << 48,
    0xffff_0000_4000_0000,
    u64::MAX - 4095,
    u64::MAX - 1,
    u64::MAX,
];

impl Generator {
    /// From a source of numbers.
    pub const fn new(random: Random) -> Self {
        Self { random }
    }

    /// The next call.
    pub fn call(&mut self) -> [u64; 12] {
        let mut words = [0; 12];
        for word in &mut words {
            *word = self.word();
        }
        let [w0, w1, rest @ ..] = &mut words;
        match self.random.below(16) {
            0 => {}
            1 => *w0 = self.simple(),
            2 => {
                *w0 = CallWord::send(
                    self.level(),
                    self.level(),
                    SendFlags(self.random.next() as u8 & 7),
                    self.random.below(11) as u8,
                )
                .0;
                *w1 = self.cap();
            }
            3 => self.noise_invocation(w0, w1),
            4..=6 => {
                let command = self.pick(VNodeCommand::ALL);
                self.invoke(w0, w1, command as u8, command.argc());
                if command == VNodeCommand::Map {
                    self.map(rest);
                }
            }
            7 => {
                let command = self.pick(DispatcherCommand::ALL);
                self.invoke(w0, w1, command as u8, command.argc());
            }
            8 => {
                let command = self.pick(KernelCommand::ALL);
                self.invoke(w0, w1, command as u8, command.argc());
            }
            9 => {
                let command = self.pick(MappingCommand::ALL);
                self.invoke(w0, w1, command as u8, command.argc());
            }
            _ => {
                let command = self.pick(CNodeCommand::ALL);
                self.invoke(w0, w1, command as u8, command.argc());
                *w0 = *w0 & !(0xff << 16) | 2 << 16;
                *w1 = u64::from(ROOTCN.0);
                match command {
                    CNodeCommand::Retype => self.retype(rest),
                    CNodeCommand::Copy | CNodeCommand::Mint => self.copy(rest),
                    CNodeCommand::Delete
                    | CNodeCommand::Revoke
                    | CNodeCommand::GetState
                    | CNodeCommand::CapIdentify => {
                        let values = [self.cap(), u64::from(self.level())];
                        fill(rest, values);
                    }
                    CNodeCommand::Create | CNodeCommand::GetSize | CNodeCommand::Resize => {}
                }
            }
        }
        words
    }

    fn simple(&mut self) -> u64 {
        // Getchar takes away what the user types: seldom.
        let call = match self.random.below(64) {
            0 => Syscall::Getchar,
            1..=20 => Syscall::Print,
            21..=38 => Syscall::Yield,
            39..=42 => Syscall::ReplyWait,
            _ => Syscall::Nop,
        };
        CallWord::simple(call, self.random.below(4) as u8).0
    }

    fn noise_invocation(&mut self, w0: &mut u64, w1: &mut u64) {
        let argc = self.random.below(16) as u8;
        *w0 = CallWord::invoke(self.random.next() as u8, self.level(), argc).0;
        *w1 = self.cap();
    }

    fn invoke(&mut self, w0: &mut u64, w1: &mut u64, command: u8, argc: u8) {
        // Now and then one argument too many or too few.
        let argc = match self.random.below(32) {
            0 => argc.saturating_add(1),
            1 => argc.saturating_sub(1),
            _ => argc,
        };
        *w0 = CallWord::invoke(command, self.level(), argc).0;
        *w1 = self.cap();
    }

    fn map(&mut self, rest: &mut [u64]) {
        let word = MapWord::new(
            self.level(),
            self.level(),
            self.random.next() as u8,
            self.random.below(520) as u16,
        );
        let values = [
            u64::from(ROOTCN.0),
            self.cap(),
            self.random.below(16),
            self.random.below(4) * 4096,
            self.random.below(4),
            u64::from(ROOTCN.0),
            self.cnode(),
            word.0,
        ];
        fill(rest, values);
    }

    fn copy(&mut self, rest: &mut [u64]) {
        let values = [
            u64::from(ROOTCN.0),
            self.cnode(),
            self.random.below(256),
            u64::from(ROOTCN.0),
            self.cap(),
            1 + self.random.below(12) / 11,
            u64::from(self.level()),
            self.word(),
            self.random.below(64),
        ];
        fill(rest, values);
    }

    fn retype(&mut self, rest: &mut [u64]) {
        let objtype = self.random.below(ObjType::COUNT as u64 + 2) as u8;
        let dest_level = u8::from(!self.random.once_in(12));
        let word = RetypeWord::new(objtype, dest_level, self.level());
        let size = match self.random.below(6) {
            0 => self.word(),
            // What the type wants.
            1..=3 => {
                let fixed = ObjType::from_u8(objtype).and_then(ObjType::fixed_size);
                fixed.unwrap_or(16384)
            }
            4 => 0,
            _ => 4096,
        };
        let values = [
            u64::from(ROOTCN.0),
            self.cap(),
            self.random.below(16) * 16384,
            word.0,
            size,
            self.random.below(4),
            u64::from(ROOTCN.0),
            self.cnode(),
            self.random.below(256),
        ];
        fill(rest, values);
    }

    fn pick<T: Copy>(&mut self, all: &'static [T]) -> T {
        match self.random.one_of(all) {
            Some(item) => item,
            // No list of commands is empty.
            None => self.pick(all),
        }
    }

    /// A level, mostly a good one.
    fn level(&mut self) -> u8 {
        match self.random.below(16) {
            0 => self.random.next() as u8,
            1 => 0,
            2 | 3 => 1,
            _ => 2,
        }
    }

    /// Address of a capability, mostly of one that may be there.
    fn cap(&mut self) -> u64 {
        let slot = match self.random.below(8) {
            0 => return self.word(),
            1 => (root::TASKCN, self.random.below(32)),
            2 => (root::PAGECN, self.random.below(8)),
            3 => (self.random.below(16) as u32, self.random.below(256)),
            _ => (root::SLOT_ALLOC0, self.random.below(48)),
        };
        u64::from(slot.0) << 8 | slot.1
    }

    /// Address of a CNode.
    fn cnode(&mut self) -> u64 {
        match self.random.below(8) {
            0 => self.word(),
            1 => u64::from(task::TASKCN) << 8,
            _ => u64::from(root::SLOT_ALLOC0 + self.random.below(3) as u32) << 8,
        }
    }

    fn word(&mut self) -> u64 {
        match self.random.below(4) {
            0 => self.random.next(),
            1 => self.random.below(512),
            2 => self.cap_like(),
            _ => self.random.one_of(&EDGES).unwrap_or(0),
        }
    }

    fn cap_like(&mut self) -> u64 {
        self.random.below(16) << 8 | self.random.below(256)
    }
}

fn fill(rest: &mut [u64], values: impl IntoIterator<Item = u64>) {
    for (place, value) in rest.iter_mut().zip(values) {
        *place = value;
    }
}
