//! When to refill what, such that no refill ever needs one.
//!
//! The allocators need one another. Nodes of the books lie in frames: a frame takes RAM, slots, and page tables, which again take RAM
//! and slots. Slots lie in CNodes: a CNode takes RAM, a root slot and nodes. RAM takes nodes, and slots for chunks that are cut. Whoever
//! refills when something runs out therefore calls himself, without end or until the thing that he refills is missing in the middle.
//!
//! So refills are done *between* operations and out of a reserve. A [`Plan`] says for each of `N` resources what its refill takes of
//! each at most and what it gives, and what one operation takes at most. After each operation a *round* is made ([`Keeper::begin`]): in
//! order of the resources, each that is below its mark is refilled, once ([`Keeper::next`]). What the refills themselves allocate
//! comes from the same allocators but begins no round.
//!
//! **The bound.** Let `takes[r]` be what the refill of `r` takes. `reserve[i]` is what one operation takes of `i`, what giving back takes
//! ([`Plan::release`]), and what the refills up to and with that of `i` itself take. `mark[i]` is `reserve[i]` and what the later refills take.
//!
//! 1. *A refill never recurs*: `begin` refuses while a round is under way; and a round ends, since it goes once over `N` resources.
//! 2. *Nothing runs dry in the middle*: an operation begins with the reserve ([`Keeper::ready`]), so it does not, and the round begins
//!    with what the refills up to `i` take of each `i`. After the turn of `i` there is at least `mark[i]` of it, either because there was,
//!    or because its refill gave so much ([`Plan::is_sound`] demands it), and the later refills take at most the difference
//!    of mark and reserve.
//! 3. *The reserve is there again afterwards*: that is what the difference leaves.
//! 4. *When memory is out*, a refill fails and puts back what it took, the round is over ([`Keeper::failed`]), the reserve does not come
//!    back, and operations are refused. Giving back is not. Two things make it safe. The resource of which it takes something (a node for
//!    a hole) comes first, and nothing else takes memory until that is refilled: it takes at most `release` before so much memory is
//!    back that the refill is possible (a frame and its table need two pages; each page that comes back takes at most one node). And who
//!    gives back deletes a capability, so a slot comes back with every node taken. While slots cannot be refilled, for want of four pages in a
//!    row, the slots that one refill of nodes takes therefore come back before the next one, if a refill gives so many nodes beyond
//!    the mark.
//!
//! The tests go through every state of a small world that can be reached from the smallest reserve, and find that with one less of
//! anything some path runs dry.
//!
//! Barrelfish counterpart: the `refilling` flags of `lib/mm`, `slab_refill_pages`, `slot_alloc` of the course, which stop the recursion, but do not
//! show that what is left is enough.

/// The refill of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Refill<const N: usize> {
    /// What it takes of each resource at most.
    pub takes: [u32; N],
    /// What it gives at least.
    pub gives: u32,
}

/// The resources of a world, in the order in which they are refilled.
#[derive(Clone, Copy, Debug)]
pub struct Plan<const N: usize> {
    /// Their refills.
    pub refills: [Refill<N>; N],
    /// What an operation takes of each at most.
    pub operation: [u32; N],
    /// What giving back takes of each at most, until a refill that failed for want of memory must succeed. With each one that it takes
    /// it must give one of every other resource that the refill takes.
    pub release: [u32; N],
}

#[expect(
    clippy::indexing_slicing,
    reason = "arrays of N, indices below N; iterators are not for constants"
)]
impl<const N: usize> Plan<N> {
    /// What must be there when an operation begins.
    #[must_use]
    pub const fn reserve(&self) -> [u32; N] {
        let mut reserve = [0; N];
        let mut i = 0;
        while i < N {
            reserve[i] = self.operation[i] + self.release[i] + self.taken(0, i + 1, i);
            i += 1;
        }
        reserve
    }

    /// What must be there after a resource's turn; below, it is refilled.
    #[must_use]
    pub const fn marks(&self) -> [u32; N] {
        let mut marks = self.reserve();
        let mut i = 0;
        while i < N {
            marks[i] += self.taken(i + 1, N, i);
            i += 1;
        }
        marks
    }

    /// Whether every refill gives enough. To be asserted when the plan is a constant.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        let marks = self.marks();
        let mut i = 0;
        while i < N {
            if self.refills[i].gives < marks[i] + self.beyond(i) {
                return false;
            }
            i += 1;
        }
        true
    }

    /// What a refill must give beyond the mark: if giving back takes of it, the most that its refill takes of another.
    const fn beyond(&self, resource: usize) -> u32 {
        let (mut most, mut i) = (0, 0);
        while i < N && self.release[resource] > 0 {
            let takes = self.refills[resource].takes[i];
            if i != resource && takes > most {
                most = takes;
            }
            i += 1;
        }
        most
    }

    /// What the refills from `first` to before `end` take of a resource.
    const fn taken(&self, first: usize, end: usize, resource: usize) -> u32 {
        let (mut sum, mut r) = (0, first);
        while r < end {
            sum += self.refills[r].takes[resource];
            r += 1;
        }
        sum
    }
}

/// Keeps the reserve of a world that has a [`Plan`].
#[derive(Debug)]
pub struct Keeper<const N: usize> {
    reserve: [u32; N],
    marks: [u32; N],
    /// Whose turn it is, while a round is under way.
    turn: Option<usize>,
}

impl<const N: usize> Keeper<N> {
    /// A keeper of a plan that is sound.
    #[must_use]
    pub const fn new(plan: &Plan<N>) -> Self {
        Self {
            reserve: plan.reserve(),
            marks: plan.marks(),
            turn: None,
        }
    }

    /// Whether an operation may begin that takes something. What giving back takes is always there. If not, memory is out: the last
    /// round's errors say where.
    #[must_use]
    pub fn ready(&self, levels: &[u32; N]) -> bool {
        self.turn.is_some()
            || levels
                .iter()
                .zip(&self.reserve)
                .all(|(is, must)| is >= must)
    }

    /// Whether nothing needs to be refilled.
    #[must_use]
    pub fn is_full(&self, levels: &[u32; N]) -> bool {
        let marks = levels.iter().zip(&self.marks);
        marks.fold(true, |full, (is, mark)| full & (is >= mark))
    }

    /// Begins a round. No: one is under way, and the caller part of it.
    pub const fn begin(&mut self) -> bool {
        let begins = self.turn.is_none();
        if begins {
            self.turn = Some(0);
        }
        begins
    }

    /// The resource to refill next, by what there is of each now. None: the round is over.
    pub fn next(&mut self, levels: &[u32; N]) -> Option<usize> {
        let from = self.turn?;
        let marks = levels.iter().zip(&self.marks).enumerate().skip(from);
        let found = marks.into_iter().find(|(_, (is, mark))| is < mark);
        let found = found.map(|(resource, _)| resource);
        self.turn = found.map(|resource| resource + 1);
        found
    }

    /// The refill that [`Keeper::next`] asked for could not be made and has put back what it took: the round is over.
    pub const fn failed(&mut self) {
        self.turn = None;
    }
}
