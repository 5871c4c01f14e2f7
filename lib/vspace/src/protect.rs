//! Other flags for pages.

use crate::clear::{add_lost, done};
use crate::env::{Entries, Tables};
use crate::error::{Cause, Error, Stopped, Why};
use crate::level::{entry_bytes, entry_of};
use crate::node::{Node, Run, limited};
use crate::piece::UNCACHED_ENTRIES;
use crate::region::permitted;
use crate::space::{Space, Span};
use arena::{Id, Store};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;

/// Entries of a table, all filled, that can be changed by one call.
struct Group {
    table: Id,
    span: Span,
    level: u8,
    flags: PageFlags,
}

/// Pages, or blocks, that are all of a part and lie in one run of cached ones: [`Space::protect_alone`].
#[derive(Debug)]
pub struct Alone<'a, C> {
    /// The region's tag.
    pub tag: u32,
    /// Their Mapping.
    pub mapping: &'a C,
    /// The first of them in it.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// What they are to permit.
    pub flags: PageFlags,
    table: Id,
    level: u8,
}

/// Bytes that one call can give those flags, starting anywhere.
const fn most_bytes(flags: PageFlags) -> u64 {
    if flags.contains(PageFlags::NOCACHE) {
        UNCACHED_ENTRIES * BASE_PAGE_SIZE
    } else {
        u64::MAX
    }
}

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// Gives pages of regions other flags, also those that get their memory later. It may be any part of regions, also several.
    ///
    /// Entries of a table that follow one another are changed by one call, however many Mappings they belong to. At the edges blocks
    /// are cut, which remains when the rest fails.
    ///
    /// # Errors
    /// [`Why`]: `Range`, `Flags`, `NotReserved`, `Guard`, `PageSize` (NOCACHE for blocks), `Nodes`; the environment's, also [`Stopped`].
    pub fn protect<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
        flags: PageFlags,
    ) -> Result<(), Error<T::Error>> {
        self.inside(span)?;
        permitted(flags)?;
        let changed = self.protect_alone(span, flags, |space, alone| {
            let group = Group {
                table: alone.table,
                span,
                level: alone.level,
                flags: alone.flags,
            };
            space.change_entries(env, &group)
        });
        if let Some(changed) = changed {
            return changed.map_err(Error::from);
        }
        self.reserved(span, false)?;
        if flags.contains(PageFlags::NOCACHE) && self.has_block(span) {
            return Err(Why::PageSize.into());
        }
        let edges = [span.start, span.end];
        let cut = |at| {
            let hole = Span { start: at, end: at };
            let block = self.block_at(at);
            block.map_or(0, |run| self.cut_needs(run, hole).nodes())
        };
        // It may stop anywhere, and be split there instead of at the end.
        let splits = 1 + usize::from(self.is_inside(span.start));
        self.need(splits + edges.into_iter().map(cut).sum::<usize>())?;
        let mut lost = None;
        for at in edges {
            match self.cut_block(env, at) {
                Ok(more) => add_lost(&mut lost, more),
                Err(cause) => {
                    let stopped = lost.map(|(_, lost)| Stopped {
                        span,
                        at: span.start,
                        lost: Some(lost),
                    });
                    return Err(Error { cause, stopped });
                }
            }
        }
        done(span, lost)?;
        let changed = self.rewrite(env, span, flags);
        let reached = match &changed {
            Ok(()) => span.end,
            Err(error) => error.stopped.map_or(span.start, |stopped| stopped.at),
        };
        if reached > span.start {
            let span = Span {
                end: reached,
                ..span
            };
            self.change(span, |part| {
                part.flags = (flags.0 & PageFlags::MASK.0) as u8;
            })?;
        }
        changed
    }

    /// Has `change` give pages other flags if they are all of a part and lie in one run of cached ones, and no block only in part: then no books
    /// have to change but the flags. This is the way of who protects the same pages again and again. `None`: they are not like that, or those
    /// flags no page can have.
    ///
    /// # Errors
    /// That of `change`, which then has changed nothing.
    #[inline]
    pub fn protect_alone<E>(
        &mut self,
        span: Span,
        flags: PageFlags,
        change: impl FnOnce(&Self, &Alone<'_, C>) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        permitted(flags).ok()?;
        let id = self.parts.find(&self.arena, &span.start)?;
        let part = self.part(id)?;
        let is_cached = (flags.0 | u64::from(part.flags)) & PageFlags::NOCACHE.0 == 0;
        let may = is_cached && !part.is_guard && self.counts.parts <= self.apart;
        if !may || part.span != span {
            return None;
        }
        let run = self.run_at(span.start)?;
        let bytes = entry_bytes(run.level);
        if !(span.start | span.end).is_multiple_of(bytes) || span.end > run.end() {
            return None;
        }
        let alone = Alone {
            tag: part.tag,
            mapping: &run.mapping,
            first: (span.start - run.start) / bytes,
            count: span.bytes() / bytes,
            flags: limited(flags.0 as u8, run.limit),
            table: run.table,
            level: run.level,
        };
        if let Err(error) = change(self, &alone) {
            return Some(Err(error));
        }
        if let Some(part) = self.arena.get_mut(id).and_then(Node::part_mut) {
            part.flags = (flags.0 & PageFlags::MASK.0) as u8;
        }
        Some(Ok(()))
    }

    fn has_block(&self, span: Span) -> bool {
        let mut rest = span;
        while let Some(run) = self.last_run(rest) {
            if run.level < 3 {
                return true;
            }
            rest.end = run.start;
        }
        false
    }

    /// Changes entries, not yet the books.
    fn rewrite<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
        flags: PageFlags,
    ) -> Result<(), Error<T::Error>> {
        let mut rest = span;
        while let Some(group) = self.next_group(rest, flags) {
            if let Err(cause) = self.change_entries(env, &group) {
                let end = rest.start;
                let undone = self.restore(env, Span { end, ..span });
                let stopped = undone.err().map(|at| Stopped {
                    span,
                    at,
                    lost: None,
                });
                return Err(Error { cause, stopped });
            }
            rest.start = group.span.end;
        }
        Ok(())
    }

    fn change_entries<T: Tables<Cap = C>>(
        &self,
        env: &mut T,
        group: &Group,
    ) -> Result<(), Cause<T::Error>> {
        let entries = Entries {
            first: entry_of(group.level, group.span.start),
            count: (group.span.bytes() / entry_bytes(group.level)) as u16,
        };
        env.protect(self.table_cap(group.table), entries, group.flags)
            .map_err(Cause::Environment)
    }

    /// The first entries in a span that can get these flags by one call.
    fn next_group(&self, span: Span, flags: PageFlags) -> Option<Group> {
        let first = match self.run_at(span.start) {
            Some(run) => run,
            None => self.run(self.runs.at_least(&self.arena, &span.start)?)?,
        };
        let start = first.start.max(span.start);
        let flags_of = |run: &Run<C>| limited(flags.0 as u8, run.limit);
        let flags = flags_of(first);
        let most = span.end.min(start.saturating_add(most_bytes(flags)));
        if start >= most {
            return None;
        }
        let mut end = first.end();
        while end < most
            && let Some(next) = self.run_at(end)
            && next.table == first.table
            && flags_of(next) == flags
        {
            end = next.end();
        }
        Some(Group {
            table: first.table,
            span: Span {
                start,
                end: end.min(most),
            },
            level: first.level,
            flags,
        })
    }

    /// Gives entries back the flags that they have by the books, from the end on.
    ///
    /// # Errors
    /// The address below which that was not possible.
    fn restore<T: Tables<Cap = C>>(&self, env: &mut T, span: Span) -> Result<(), u64> {
        let mut rest = span;
        while let Some(run) = self.last_run(rest) {
            let end = rest.end.min(run.end());
            let Some(part) = self.part_at(end - 1) else {
                return Err(rest.end);
            };
            let flags = limited(part.flags, run.limit);
            let start = run.start.max(span.start).max(part.span.start);
            let start = start.max(end.saturating_sub(most_bytes(flags)));
            let group = Group {
                table: run.table,
                span: Span { start, end },
                level: run.level,
                flags,
            };
            self.change_entries(env, &group).map_err(|_| rest.end)?;
            rest.end = start;
        }
        Ok(())
    }
}
