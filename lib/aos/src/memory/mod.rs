//! The core of memory: the books of RAM, of slots and of the own address space, behind one lock.
//!
//! The three need one another: a mapping takes slots and page tables, a table takes RAM and slots, a CNode for slots takes RAM, and the
//! nodes of all books lie in frames that are mapped. How that ends is [`mm::reserve`]'s argument; [`plan`] has the numbers. What runs under
//! the lock is a *step*: it takes a bounded amount of everything, and changes nothing if it fails. Before it the reserve is there, behind
//! it the reserve is made up again. Larger works, such as mapping 100 MiB by pages, are many steps.
//!
//! **Page faults.** A thread that touches memory which is not there yet has it mapped by its fault handler, in a step. So nothing that is
//! used under the lock may itself come into being by a fault: the books lie in the program's data and in areas that are mapped as a
//! whole, never on the heap; and the stack below the caller is touched before the lock is taken ([`STACK_BYTES`]).
//!
//! **When memory is out**, [`step`] looks for some outside of the lock: what dropped capabilities hold, what is free at the heap's end, CNodes
//! without a used slot, then the monitor's. Then the step is tried again.
//!
//! Barrelfish counterpart: none; there each allocator has a lock of its own, and flags against recursion.

mod nodes;
mod objects;
mod plan;

pub(crate) use nodes::Places;
use objects::Short;
pub(crate) use objects::{Memory, Wanted};

use crate::arch::memory::touch_stack;
use crate::cap::{CNodeRef, CapRef, cap_delete, cap_destroy, cap_direct_identify, owned};
use crate::error::{Error, ErrorCode};
use crate::monitor;
use crate::paging::{Kind, Name, Own, Spare, own_span};
use crate::ram;
use crate::sync::{Mutex, MutexGuard};
use core::sync::atomic::{AtomicU64, Ordering};
use kpi::addr::VirtAddr;
use kpi::cap::ObjType;
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;
use mm::reserve::Keeper;
use vspace::{Backing, Choice, PageSize, Place, Space, Span};

/// Bytes of stack that a step may use.
pub(crate) const STACK_BYTES: usize = 12 << 10;
/// How often a step is tried again at most because it made way for itself: a chunk joined, a range in use passed over.
const TRIES: usize = 64;

/// All books.
#[derive(Debug)]
pub(crate) struct Core {
    /// RAM and slots.
    pub(crate) memory: Memory,
    /// The own address space, from [`crate::paging::OWN_START`] on.
    pub(crate) space: Space<Name, Places<vspace::Node<Name>>>,
    /// What operations on it keep for the next.
    pub(crate) spare: Spare,
    /// A page's address to write a copy by, once there is one.
    pub(crate) scratch: Option<VirtAddr>,
    keeper: Keeper<{ plan::RESOURCES }>,
    /// The last round of refills ended early, so that the reserve may not be there.
    low: bool,
    /// Why.
    failed: Option<Error>,
}

static CORE: Mutex<Option<Core>> = Mutex::new(None);

/// How often the own space may have been changed. Written under the lock.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// How often the own space may have been changed so far.
pub(crate) fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

impl Core {
    fn new() -> Result<Self, Error> {
        let root = CapRef::vroot();
        let mut core = Self {
            memory: Memory::new()?,
            space: Space::new(Name::of(root), own_span()?, Places::of_space()?),
            spare: Spare::default(),
            scratch: None,
            keeper: Keeper::new(&plan::PLAN),
            low: false,
            failed: None,
        };
        core.space.set_apart(plan::APART);
        // There are nodes for that.
        for area in plan::AREAS {
            let place = Place::At(area.start);
            let attributes = Kind::Library.attributes(PageFlags::READ_WRITE);
            let taken = core.space.reserve(place, area.bytes, attributes);
            taken.map_err(|_| Error::new(ErrorCode::LibVspaceCurrentInit))?;
        }
        Ok(core)
    }

    /// The own space, and what its operations need.
    pub(crate) fn parts(&mut self) -> (&mut Space<Name, Places<vspace::Node<Name>>>, Own<'_>) {
        CHANGES.store(changes().wrapping_add(1), Ordering::Relaxed);
        let env = Own::new(&mut self.memory, &mut self.spare);
        (&mut self.space, env)
    }

    fn levels(&self) -> [u32; plan::RESOURCES] {
        let (regions, chunks) = self.memory.ram.free_nodes();
        let slots = &self.memory.slots;
        [
            regions as u32,
            chunks as u32,
            self.space.free_nodes() as u32,
            slots.free_nodes() as u32,
            slots.free_slots(),
            slots.free_root_slots(),
        ]
    }

    /// Whether a step may begin; tries to make it so.
    fn ready(&mut self) -> Result<(), Error> {
        if !self.low {
            return Ok(());
        }
        self.make_up();
        if self.keeper.ready(&self.levels()) {
            return Ok(());
        }
        Err(self
            .failed
            .take()
            .unwrap_or(Error::new(ErrorCode::LibMallocFail)))
    }

    /// A round of refills.
    fn make_up(&mut self) {
        if self.keeper.is_full(&self.levels()) {
            self.low = false;
        } else {
            self.refill_all();
        }
    }

    #[cold]
    fn refill_all(&mut self) {
        if !self.keeper.begin() {
            return;
        }
        self.low = true;
        while let Some(resource) = self.keeper.next(&self.levels()) {
            if let Err(error) = self.refill(resource) {
                self.keeper.failed();
                self.failed = Some(error);
                return;
            }
        }
        // The round went to its end, so the reserve is there.
        self.low = false;
    }

    fn refill(&mut self, resource: usize) -> Result<(), Error> {
        match resource {
            plan::SLOTS => self.memory.add_cnode(),
            plan::ROOT_SLOTS => self.memory.grow_root(),
            nodes => self.add_nodes(nodes),
        }
    }

    /// Maps more of an area for nodes.
    fn add_nodes(&mut self, of: usize) -> Result<(), Error> {
        let (Some(area), mapped) = (plan::AREAS.get(of), self.mapped_nodes(of)) else {
            return Err(Error::new(ErrorCode::LibMallocFail));
        };
        let end = mapped + plan::NODE_BYTES;
        if end > area.bytes {
            return Err(Error::new(ErrorCode::LibMallocFail));
        }
        let frame = self.memory.object(ObjType::Frame, plan::NODE_BYTES)?;
        let span = Span {
            start: area.start.0 + mapped,
            end: area.start.0 + end,
        };
        let backing = Backing {
            frame: Name::of(frame),
            offset: 0,
            address: kpi::addr::PhysAddr(0),
        };
        let (space, mut env) = self.parts();
        let choice = Choice::Exactly(PageSize::Base);
        let backed = space.back_first(&mut env, span, backing, PageFlags::MASK, choice);
        env.settle();
        match backed {
            Ok(_) => {
                let memory = &mut self.memory;
                match of {
                    plan::REGION_NODES => memory.ram.stores().0.extend(area.start, end),
                    plan::CHUNK_NODES => memory.ram.stores().1.extend(area.start, end),
                    plan::SPACE_NODES => self.space.store().extend(area.start, end),
                    _ => memory.slots.store().extend(area.start, end),
                }
                Ok(())
            }
            Err(error) => {
                self.memory.drop_object(frame);
                Err(crate::paging::error_of(error, ErrorCode::LibMallocFail))
            }
        }
    }

    fn mapped_nodes(&mut self, of: usize) -> u64 {
        match of {
            plan::REGION_NODES => self.memory.ram.stores().0.mapped(),
            plan::CHUNK_NODES => self.memory.ram.stores().1.mapped(),
            plan::SPACE_NODES => self.space.store().mapped(),
            _ => self.memory.slots.store().mapped(),
        }
    }
}

fn lock() -> Result<CoreGuard, Error> {
    touch_stack(STACK_BYTES);
    let mut guard = CORE.lock();
    if guard.is_none() {
        start(&mut guard)?;
    }
    Ok(guard)
}

/// Makes the books. Apart, since that takes more stack than all else here ([`STACK_BYTES`]), and exception stacks are short. It is done long
/// before there is lazy memory.
#[cold]
#[inline(never)]
fn start(books: &mut Option<Core>) -> Result<(), Error> {
    *books = Some(Core::new()?);
    Ok(())
}

type CoreGuard = MutexGuard<'static, Option<Core>>;

/// Does a bounded work on the books that may take memory, slots and nodes. It may be done several times; when it fails, it has changed
/// nothing.
///
/// # Errors
/// The work's; `LIB_ERR_MALLOC_FAIL`, `LIB_ERR_RAM_ALLOC` and the monitor's answer when memory is out.
pub(crate) fn step<T>(mut work: impl FnMut(&mut Core) -> Result<T, Error>) -> Result<T, Error> {
    let mut tries = 0;
    loop {
        let (result, short) = once(true, &mut work)?;
        let Err(error) = result else {
            return result;
        };
        match short {
            _ if tries == TRIES => return Err(error),
            Some(Short::Again) => {}
            Some(_)
                if owned::reap_if_free().freed > 0
                    || crate::heap::trim() > 0
                    || trim_cnodes() > 0 => {}
            Some(Short::Ram { bytes, alignment }) if monitor::is_there() => {
                ram::refill(bytes, alignment)?;
            }
            _ => return Err(error),
        }
        tries += 1;
    }
}

/// As [`step`], for a work that gives back, or takes nothing: it is done even if memory is out.
///
/// # Errors
/// The work's.
pub(crate) fn step_back<T>(work: impl FnOnce(&mut Core) -> Result<T, Error>) -> Result<T, Error> {
    once(false, work)?.0
}

/// As [`step_back`], if the lock is free.
///
/// # Errors
/// The work's; `busy`.
pub(crate) fn try_step_back<T>(
    busy: ErrorCode,
    work: impl FnOnce(&mut Core) -> Result<T, Error>,
) -> Result<T, Error> {
    touch_stack(STACK_BYTES);
    match CORE.try_lock().as_deref_mut() {
        Some(Some(core)) => work(core),
        _ => Err(Error::new(busy)),
    }
}

/// What is in the books.
pub(crate) fn look<T>(work: impl FnOnce(&mut Core) -> T) -> Result<T, Error> {
    match lock()?.as_mut() {
        Some(core) => Ok(work(core)),
        None => Err(Error::new(ErrorCode::LibVspaceCurrentInit)),
    }
}

type Outcome<T> = (Result<T, Error>, Option<Short>);

fn once<T>(
    takes: bool,
    work: impl FnOnce(&mut Core) -> Result<T, Error>,
) -> Result<Outcome<T>, Error> {
    let mut guard = lock()?;
    let Some(core) = guard.as_mut() else {
        return Err(Error::new(ErrorCode::LibVspaceCurrentInit));
    };
    let ready = if takes { core.ready() } else { Ok(()) };
    let result = ready.and_then(|()| work(core));
    let short = core.memory.short.take();
    core.make_up();
    core.memory.short = None;
    let old_root = core.memory.old_root.take();
    drop(guard);
    if let Some(old) = old_root {
        delete_old_root(old);
    }
    Ok((result, short))
}

/// Most CNodes that are given back at a time.
const CNODES_AT_A_TIME: usize = 8;

/// Gives back some CNodes for slots of which none is used and that the reserve does not need; answers how many. To delete one may take the
/// monitor, so that is done outside of the lock, when it is out of the books.
pub(crate) fn trim_cnodes() -> usize {
    let (mut from, mut given) = (0, 0);
    for _ in 0..CNODES_AT_A_TIME {
        let Ok(Some(l1)) = look(|core| core.memory.take_spare_cnode(from)) else {
            break;
        };
        from = l1 + 1;
        let cnode = CNodeRef::ROOT.slot(l1);
        let deleted = cap_direct_identify(cnode)
            .and_then(|capability| cap_delete(cnode).map(|()| capability));
        given += usize::from(deleted.is_ok());
        // Its nodes are there, since it was in the books just now; if others have taken them, the CNode is lost.
        let _ = step_back(|core| core.memory.put_spare_cnode(l1, deleted.ok()));
    }
    given
}

/// Deletes the former root CNode. Where this domain cannot, it stays in its slot.
fn delete_old_root(old: CapRef) {
    if let Ok(capability) = cap_direct_identify(old)
        && cap_destroy(old).is_ok()
    {
        // The first root's memory is the spawner's, not in the books here.
        let _ = ram::memory_free(capability.address(), capability.size());
    }
}

/// Deletes an object that this domain made, whose slot and memory go back to the books.
///
/// # Errors
/// The kernel's; then nothing is freed.
pub(crate) fn delete_object(memory: &mut Memory, cap: CapRef) -> Result<(), Error> {
    let capability = cap_direct_identify(cap)?;
    cap_delete(cap)?;
    memory.put_slot(cap);
    // Ours, as the books said; what they refuse nobody can mend.
    let _ = memory.ram.free(capability.address(), capability.size());
    Ok(())
}

const _: () = assert!(plan::NODE_BYTES.is_multiple_of(BASE_PAGE_SIZE));
