//! Taking memory away.

use crate::env::Tables;
use crate::error::{Cause, Error, Stopped};
use crate::level::entry_bytes;
use crate::node::{Node, Run};
use crate::piece::{Needs, Rule};
use crate::space::{Space, Span};
use arena::Store;

/// Pages that were to stay and did not, and why.
pub(crate) type Lost<E> = Option<(Cause<E>, Span)>;

impl<C: Copy> Run<C> {
    /// What the run has of a span.
    fn within(&self, span: Span) -> Span {
        Span {
            start: self.start.max(span.start),
            end: self.end().min(span.end),
        }
    }

    /// What is left of it on both sides of a hole.
    fn around(&self, hole: Span) -> [Span; 2] {
        let left = Span {
            start: self.start,
            end: hole.start,
        };
        let right = Span {
            start: hole.end,
            end: self.end(),
        };
        [left, right]
    }

    fn rule(&self) -> Rule {
        Rule {
            level: self.level,
            limit: self.limit,
        }
    }
}

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// Takes the memory of pages away; the regions stay.
    ///
    /// # Errors
    /// [`Why`](crate::Why): `Range`, `NotReserved`, `Nodes`; the environment's, also [`Stopped`].
    pub fn unback<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
    ) -> Result<(), Error<T::Error>> {
        self.inside(span)?;
        self.reserved(span, true)?;
        self.need(self.clear_needs(span))?;
        self.clear(env, span, true)
    }

    /// Most nodes that [`Self::clear`] takes: runs are cut at both ends of the span only.
    pub(crate) fn clear_needs(&self, span: Span) -> usize {
        let cut = |run: &Run<C>| {
            let whole = run.within(span) == run.span();
            (!whole).then(|| self.cut_needs(run, run.within(span)).nodes())
        };
        let first = self.run_at(span.start);
        let last = self
            .last_run(span)
            .filter(|last| first.is_none_or(|first| first.start != last.start));
        [first, last].into_iter().flatten().filter_map(cut).sum()
    }

    /// What it takes to cut a hole into a run.
    pub(crate) fn cut_needs(&self, run: &Run<C>, hole: Span) -> Needs {
        let mut needs = Needs::default();
        for rest in run.around(hole) {
            needs += self.needs(rest, run.rule(), None).unwrap_or_default();
        }
        needs
    }

    /// Takes memory away, from the end of the span on. The environment is told unless what was just mapped is undone.
    ///
    /// # Errors
    /// The environment's.
    pub(crate) fn clear<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
        tell: bool,
    ) -> Result<(), Error<T::Error>> {
        let mut rest = span;
        let mut lost = None;
        while let Some(run) = self.last_run(rest).copied() {
            let hole = run.within(span);
            let cut = if hole == run.span() {
                self.drop_run(env, &run, tell).map(|()| None)
            } else {
                self.cut(env, &run, hole)
            };
            match cut {
                Ok(more) => add_lost(&mut lost, more),
                Err(cause) => {
                    let lost = lost.map(|(_, lost)| lost);
                    let stopped = (rest.end != span.end).then_some(Stopped {
                        span,
                        at: rest.end,
                        lost,
                    });
                    return Err(Error { cause, stopped });
                }
            }
            rest.end = hole.start;
        }
        done(span, lost)
    }

    /// Unmaps a whole run.
    ///
    /// # Errors
    /// The environment's. Nothing changed.
    fn drop_run<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        run: &Run<C>,
        tell: bool,
    ) -> Result<(), Cause<T::Error>> {
        env.unmap(self.table_cap(run.table), run.mapping)
            .map_err(Cause::Environment)?;
        self.forget_run(run);
        self.release_table(env, run.level, run.start);
        if tell {
            env.released(run.frame, run.offset, run.span().bytes());
        }
        Ok(())
    }

    /// Takes a run that is not mapped any more out of the books.
    pub(crate) fn forget_run(&mut self, run: &Run<C>) {
        if let Some(id) = self.runs.remove(&mut self.arena, &run.start) {
            self.arena.remove(id);
            self.counts.runs -= 1;
            self.sub_used(run.table, run.count);
        }
    }

    /// Cuts a hole into a run (or cuts it in two, if the hole has no addresses). What is left of blocks at the edges of the hole is mapped
    /// by smaller ones and by pages. Answers what of it could not be.
    ///
    /// # Errors
    /// The environment's. Nothing changed.
    pub(crate) fn cut<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        run: &Run<C>,
        hole: Span,
    ) -> Result<Lost<T::Error>, Cause<T::Error>> {
        let needs = self.cut_needs(run, hole);
        env.prepare(run.frame, needs.nodes(), needs.tables)
            .map_err(Cause::Environment)?;
        env.unmap(self.table_cap(run.table), run.mapping)
            .map_err(Cause::Environment)?;
        self.forget_run(run);
        let mut lost = None;
        for rest in run.around(hole) {
            add_lost(&mut lost, self.map_again(env, run, rest));
        }
        if hole.bytes() > 0 {
            let offset = run.offset + (hole.start - run.start);
            env.released(run.frame, offset, hole.bytes());
        }
        Ok(lost)
    }

    /// Maps what was just unmapped as part of a run. Its table is still there; it goes when nothing can be mapped.
    pub(crate) fn map_again<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        run: &Run<C>,
        span: Span,
    ) -> Lost<T::Error> {
        let mut rest = span;
        let mut lost = None;
        while let Some(piece) = self.next_piece(rest, run.rule()) {
            let offset = run.offset + (piece.at - run.start);
            if let Err(cause) = self.map_piece(env, piece, run.frame, offset, run.limit) {
                env.released(run.frame, offset, piece.span().bytes());
                add_lost(&mut lost, Some((cause, piece.span())));
            }
            rest.start = piece.span().end;
        }
        lost
    }

    /// Cuts the block in two that has `at` inside of it.
    ///
    /// # Errors
    /// The environment's. Nothing changed.
    pub(crate) fn cut_block<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        at: u64,
    ) -> Result<Lost<T::Error>, Cause<T::Error>> {
        match self.block_at(at).copied() {
            Some(run) => self.cut(env, &run, Span { start: at, end: at }),
            None => Ok(None),
        }
    }

    /// The run whose block has `at` inside of it, not at its beginning.
    pub(crate) fn block_at(&self, at: u64) -> Option<&Run<C>> {
        let run = self.run_at(at)?;
        (!at.is_multiple_of(entry_bytes(run.level))).then_some(run)
    }
}

/// Adds what was lost to what was before; the first cause counts.
pub(crate) fn add_lost<E>(lost: &mut Lost<E>, more: Lost<E>) {
    let Some((cause, span)) = more else { return };
    *lost = match lost.take() {
        Some((first, before)) => Some((first, before.hull(Some(span)))),
        None => Some((cause, span)),
    };
}

/// The end of an operation that is done, except for what was lost.
///
/// # Errors
/// If something was.
pub(crate) fn done<E>(span: Span, lost: Lost<E>) -> Result<(), Error<E>> {
    match lost {
        Some((cause, lost)) => Err(Error {
            cause,
            stopped: Some(Stopped {
                span,
                at: span.start,
                lost: Some(lost),
            }),
        }),
        None => Ok(()),
    }
}
