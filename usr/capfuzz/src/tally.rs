//! How often each command of each type was tried, and how often it succeeded: words in a frame that parent and child share.
//!
//! | Word | Meaning |
//! |---|---|
//! | [`DONE`] | calls that the present child has made |
//! | from [`FIRST`] | two for each command of each [`Class`]: tried, succeeded |

use aos::kpi::cap::ObjType;
use aos::kpi::invocation::{
    CNodeCommand, DispatcherCommand, IdCommand, IpiCommand, IrqDestCommand, IrqTableCommand,
    KcbCommand, KernelCommand, MappingCommand, PerfMonCommand, RamCommand, VNodeCommand,
};
use aos::paging::MappedFrame;

const DONE: usize = 0;
const FIRST: usize = 2;
/// Commands counted for a class.
const COMMANDS: usize = 64;

/// Bytes of the frame.
pub const BYTES: u64 = 16 << 10;
const _: () = assert!((FIRST + Class::ALL.len() * COMMANDS * 2) * 8 <= BYTES as usize);

/// A type, or a group of types, with commands of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// L1CNode and L2CNode.
    CNode,
    /// Page tables.
    VNode,
    /// Mappings.
    Mapping,
    /// Dispatchers.
    Dispatcher,
    /// A message to an endpoint, which has no command number.
    Send,
    /// Memory.
    Ram,
    /// Tokens.
    Id,
    /// Kernel control blocks.
    Kcb,
    /// Authority over interrupts.
    IrqTable,
    /// One interrupt.
    IrqDest,
    /// Authority to start cores.
    Ipi,
    /// Event counters.
    PerfMon,
    /// The Kernel capability, which the parent alone holds.
    Kernel,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 13] = [
        Self::CNode,
        Self::VNode,
        Self::Mapping,
        Self::Dispatcher,
        Self::Send,
        Self::Ram,
        Self::Id,
        Self::Kcb,
        Self::IrqTable,
        Self::IrqDest,
        Self::Ipi,
        Self::PerfMon,
        Self::Kernel,
    ];

    /// The class of a type; `None` if it has no commands.
    pub const fn of(objtype: ObjType) -> Option<Self> {
        match objtype {
            ObjType::L1CNode | ObjType::L2CNode => Some(Self::CNode),
            ObjType::Dispatcher => Some(Self::Dispatcher),
            ObjType::Kernel => Some(Self::Kernel),
            ObjType::Ram => Some(Self::Ram),
            ObjType::Id => Some(Self::Id),
            ObjType::KernelControlBlock => Some(Self::Kcb),
            ObjType::IrqTable => Some(Self::IrqTable),
            ObjType::IrqDest => Some(Self::IrqDest),
            ObjType::Ipi => Some(Self::Ipi),
            ObjType::PerfMon => Some(Self::PerfMon),
            _ if objtype.is_mapping() => Some(Self::Mapping),
            _ if objtype.is_vnode() => Some(Self::VNode),
            _ => None,
        }
    }

    /// Its commands: number, words of the call, name.
    pub const fn commands(self) -> &'static [(u8, u8, &'static str)] {
        match self {
            Self::CNode => CNodeCommand::TABLE,
            Self::VNode => VNodeCommand::TABLE,
            Self::Mapping => MappingCommand::TABLE,
            Self::Dispatcher => DispatcherCommand::TABLE,
            Self::Send => &[(0, 0, "Send")],
            Self::Ram => RamCommand::TABLE,
            Self::Id => IdCommand::TABLE,
            Self::Kcb => KcbCommand::TABLE,
            Self::IrqTable => IrqTableCommand::TABLE,
            Self::IrqDest => IrqDestCommand::TABLE,
            Self::Ipi => IpiCommand::TABLE,
            Self::PerfMon => PerfMonCommand::TABLE,
            Self::Kernel => KernelCommand::TABLE,
        }
    }
}

/// The shared frame.
pub struct Tally(MappedFrame);

impl Tally {
    /// From a mapping of the frame.
    pub const fn new(frame: MappedFrame) -> Self {
        Self(frame)
    }

    fn word(&self, index: usize) -> u64 {
        self.0.view().load(8 * index).unwrap_or(0)
    }

    fn set_word(&self, index: usize, value: u64) {
        self.0.view().store(8 * index, value);
    }

    /// Calls made since [`Tally::begin`].
    pub fn done(&self) -> u64 {
        self.word(DONE)
    }

    /// A new child begins.
    pub fn begin(&self) {
        self.set_word(DONE, 0);
    }

    const fn place(class: Class, command: u8) -> usize {
        FIRST + (class as usize * COMMANDS + command as usize % COMMANDS) * 2
    }

    /// Counts a call.
    pub fn count(&self, class: Class, command: u8, succeeded: bool) {
        let place = Self::place(class, command);
        self.set_word(DONE, self.done() + 1);
        self.set_word(place, self.word(place) + 1);
        if succeeded {
            self.set_word(place + 1, self.word(place + 1) + 1);
        }
    }

    /// How often a command was tried, and how often it succeeded.
    pub fn of(&self, class: Class, command: u8) -> (u64, u64) {
        let place = Self::place(class, command);
        (self.word(place), self.word(place + 1))
    }
}
