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

/// What never succeeds, and why.
const NEVER: [(Class, u8, &str); 9] = [
    (
        Class::Dispatcher,
        DispatcherCommand::PerfMon as u8,
        "counters belong to cores",
    ),
    (
        Class::Kcb,
        KcbCommand::Clone as u8,
        "not done on this architecture",
    ),
    (Class::Ipi, IpiCommand::SendStart as u8, "no core is off"),
    (
        Class::Ipi,
        IpiCommand::SendInit as u8,
        "not done on this architecture",
    ),
    (
        Class::Kernel,
        KernelCommand::SpawnCore as u8,
        "no core is off",
    ),
    (Class::Kernel, KernelCommand::Register as u8, "init did"),
    (
        Class::Kernel,
        KernelCommand::Shutdown as u8,
        "made with a wrong number of words",
    ),
    (
        Class::Kernel,
        KernelCommand::Reboot as u8,
        "made with a wrong number of words",
    ),
    (
        Class::Kernel,
        KernelCommand::Record as u8,
        "made with a wrong address: nonsense would be believed",
    ),
];

/// Commands that only tell something.
const TELLING: [(Class, &[u8]); 8] = [
    (
        Class::CNode,
        &[
            CNodeCommand::GetState as u8,
            CNodeCommand::GetSize as u8,
            CNodeCommand::CapIdentify as u8,
        ],
    ),
    (
        Class::Dispatcher,
        &[
            DispatcherCommand::DumpPTables as u8,
            DispatcherCommand::DumpCapabilities as u8,
        ],
    ),
    (Class::Ram, &[RamCommand::Noop as u8]),
    (Class::Id, &[IdCommand::Identify as u8]),
    (Class::Kcb, &[KcbCommand::Identify as u8]),
    (
        Class::IrqDest,
        &[
            IrqDestCommand::GetVector as u8,
            IrqDestCommand::GetCpu as u8,
        ],
    ),
    (Class::PerfMon, &[PerfMonCommand::Read as u8]),
    (
        Class::Kernel,
        &[
            KernelCommand::IdentifyCap as u8,
            KernelCommand::IdentifyDomainsCap as u8,
            KernelCommand::CapHasRelations as u8,
            KernelCommand::GetCoreId as u8,
            KernelCommand::GetArchId as u8,
            KernelCommand::GetCapOwner as u8,
            KernelCommand::HasDescendants as u8,
            KernelCommand::IsRetypeable as u8,
            KernelCommand::GetPlatform as u8,
            KernelCommand::CheckInvariants as u8,
            KernelCommand::Statistics as u8,
            KernelCommand::NextCap as u8,
        ],
    ),
];

impl Class {
    /// Why a command never succeeds, if it is such a one.
    pub fn never(self, command: u8) -> Option<&'static str> {
        let known = NEVER
            .iter()
            .find(|(class, number, _)| (*class, *number) == (self, command));
        known.map(|(_, _, why)| *why)
    }

    /// Whether a command changes anything.
    pub fn changes(self, command: u8) -> bool {
        !TELLING
            .iter()
            .any(|(class, commands)| *class == self && commands.contains(&command))
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
