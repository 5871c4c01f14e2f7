//! One Mapping instead of several.

use crate::clear::{Lost, done};
use crate::env::Tables;
use crate::error::{Cause, Error};
use crate::level::entry_bytes;
use crate::node::{Node, Run};
use crate::piece::UNCACHED_ENTRIES;
use crate::space::{Space, Span};
use arena::Store;
use kpi::rights::PageFlags;

impl<C: Copy + Default + PartialEq, S: Store<Node<C>>> Space<C, S> {
    /// Joins runs of a span (and those that reach into it) that are of the same frame and follow one another in it, in one table and with
    /// the same flags: they are unmapped, and mapped by one Mapping. Parts of regions that are alike become one before. Saves a node and a Mapping for each but one. Joins no pages into
    /// blocks.
    ///
    /// Answers how many runs were saved.
    ///
    /// # Errors
    /// The environment's, for the runs that it was at then; those before are joined. [`Stopped`](crate::Stopped) only if something was
    /// lost.
    pub fn join<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
    ) -> Result<usize, Error<T::Error>> {
        self.inside(span)?;
        self.join_alike(span);
        let before = self.counts.runs;
        let mut rest = span;
        while let Some(last) = self.last_run(rest) {
            let joined = self.like_last(last);
            if joined.start < last.start {
                let lost = self.join_runs(env, joined)?;
                done(joined, lost)?;
            }
            rest.end = joined.start;
            if rest.end <= span.start {
                break;
            }
        }
        Ok(before - self.counts.runs)
    }

    /// From where on runs can be joined with the last one.
    fn like_last(&self, last: &Run<C>) -> Span {
        let mut joined = last.span();
        let mut first = *last;
        let Some(part) = self.part_at(last.start) else {
            return joined;
        };
        let is_uncached = u64::from(part.flags) & PageFlags::NOCACHE.0 != 0;
        while let Some(before) = joined.start.checked_sub(1)
            && let Some(run) = self.run_at(before)
            && (run.table, run.limit) == (last.table, last.limit)
            && run.frame == last.frame
            && run.offset + run.span().bytes() == first.offset
            && run.start >= part.span.start
            && last.end() <= part.span.end
        {
            let entries = (joined.end - run.start) / entry_bytes(run.level);
            if is_uncached && entries > UNCACHED_ENTRIES {
                break;
            }
            joined.start = run.start;
            first = *run;
        }
        joined
    }

    /// Joins the runs of a span, or as many as can be unmapped.
    fn join_runs<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
    ) -> Result<Lost<T::Error>, Error<T::Error>> {
        let Some(first) = self.run_at(span.start).copied() else {
            return Ok(None);
        };
        env.prepare(first.frame, 1, [0; 3])
            .map_err(Cause::Environment)?;
        let mut at = span.start;
        let mut failed = None;
        while at < span.end
            && let Some(run) = self.run_at(at).copied()
        {
            if let Err(error) = env.unmap(self.table_cap(run.table), run.mapping) {
                failed = Some(error);
                break;
            }
            self.forget_run(&run);
            at = run.end();
        }
        let unmapped = Span { end: at, ..span };
        let lost = self.map_again(env, &first, unmapped);
        match failed {
            Some(error) => {
                done(span, lost)?;
                Err(Cause::Environment(error).into())
            }
            None => Ok(lost),
        }
    }
}
