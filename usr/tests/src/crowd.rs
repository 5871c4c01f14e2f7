//! Many dispatchers that end at once, and this one behind them: whoever is told of it must hear of each. Parts to play with authority over
//! the kernel (`authorized tests --child PART COUNT`), so that no other domain runs between.

use aos::cap::dispatcher::{Setup, dispatcher_setup};
use aos::cap::{CNodeRef, CapRef, cap_copy, cap_delete, cap_retype, cap_revoke};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::DISPATCHER_FRAME_BYTES;
use aos::kpi::slots::task;
use aos::{Error, ram};

/// Bytes of a dispatcher.
const DISPATCHER_BYTES: u64 = 1024;

/// So many dispatchers, one behind the other in a CNode, all with the same frame.
struct Crowd {
    cnode: CNodeRef,
    frame: CapRef,
}

impl Crowd {
    fn new(count: u64) -> Result<Self, Error> {
        ram::add_system_memory()?;
        let cnode = ram::cnode_create_l2()?;
        let memory = ram::mm_alloc((count * DISPATCHER_BYTES).next_multiple_of(4096))?;
        cap_retype(cnode.slot(1), memory, 0, ObjType::Dispatcher, 0, count)?;
        let frame = ram::frame_alloc(DISPATCHER_FRAME_BYTES)?;
        let setup = Setup::own(frame);
        for index in (1u32..).take(count as usize) {
            dispatcher_setup(cnode.slot(index), &setup)?;
        }
        Ok(Self { cnode, frame })
    }

    /// The CNode's capability.
    const fn whole(&self) -> CapRef {
        CNodeRef::ROOT.slot(self.cnode.cnode.l1())
    }
}

/// Takes this domain's own dispatcher frame away: the kernel stops it.
fn stop_self() -> Result<(), Error> {
    cap_revoke(CapRef::task(task::DISPFRAME))
}

/// One revoke stops them all, the next this one.
pub fn stop(count: u64) -> Result<(), Error> {
    let crowd = Crowd::new(count)?;
    cap_revoke(crowd.frame)?;
    stop_self()
}

/// One delete makes an end of them all; then this one is stopped.
pub fn delete(count: u64) -> Result<(), Error> {
    let crowd = Crowd::new(count)?;
    cap_delete(crowd.whole())?;
    stop_self()
}

/// One delete makes an end of them all and of this one.
pub fn delete_with_self(count: u64) -> Result<(), Error> {
    let crowd = Crowd::new(count)?;
    let own = CapRef::task(task::DISPATCHER);
    // Whoever made this domain has a copy.
    cap_revoke(own)?;
    cap_copy(crowd.cnode.slot(0), own)?;
    cap_delete(own)?;
    cap_delete(crowd.whole())
}
