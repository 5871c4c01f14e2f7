//! Whether the books agree with themselves.

use crate::gaps::Gaps;
use crate::level::{entry_bytes, table_base};
use crate::node::{Node, Parts};
use crate::space::{Counts, Space};
use arena::{Id, Store, Tree};

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// Looks at everything, in O(n log n).
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), &'static str> {
        let mut counts = Counts::default();
        let mut behind = self.within.start;
        while let Some(id) = self.parts.at_least(&self.arena, &behind) {
            let part = self.part(id).ok_or("a node that is no part")?;
            if part.span.end <= part.span.start || part.span.end > self.within.end {
                return Err("a part that is empty, or outside");
            }
            let (left, right) = Tree::<Parts<C>>::children(&self.arena, id);
            let of = |id| self.part(id).map(|part| &part.gaps);
            if part.gaps != Gaps::around(of(left), part.span, of(right)) {
                return Err("a sum of gaps");
            }
            counts.parts += 1;
            behind = part.span.end;
        }
        let mut key = (0, 0);
        while let Some(id) = self.tables.at_least(&self.arena, &key) {
            let table = self.table(id).ok_or("a node that is no table")?;
            if !(1..=3).contains(&table.level) || table_base(table.level, table.base) != table.base
            {
                return Err("level or place of a table");
            }
            let parent = match table.level {
                1 => Some(Id::NONE),
                level => self.find_table(level - 1, table.base),
            };
            if parent != Some(table.parent) {
                return Err("the parent of a table");
            }
            if table.used != self.entries_in(id) {
                return Err("number of entries of a table");
            }
            if table.used == 0 && !self.has_empty {
                return Err("an empty table");
            }
            counts.tables += 1;
            key = (table.level, table.base + 1);
        }
        let mut behind = 0;
        while let Some(id) = self.runs.at_least(&self.arena, &behind) {
            let run = self.run(id).ok_or("a node that is no run")?;
            let span = run.span();
            if self.find_table(run.level, run.start) != Some(run.table)
                || table_base(run.level, run.start) != table_base(run.level, span.end - 1)
                || run.count == 0
                || !run.start.is_multiple_of(entry_bytes(run.level))
            {
                return Err("the table of a run");
            }
            self.reserved(span, false)
                .map_err(|_| "a run outside of regions")?;
            if self.last_run(span).map(|last| last.start) != Some(run.start) {
                return Err("runs one over the other");
            }
            counts.runs += 1;
            behind = run.start + 1;
        }
        if counts != self.counts || counts.nodes() != self.arena.used() {
            return Err("numbers");
        }
        Ok(())
    }

    /// Counts what is in a table.
    fn entries_in(&self, id: Id) -> u16 {
        let Some(table) = self.table(id) else {
            return 0;
        };
        let (base, end) = (table.base, table.base + entry_bytes(table.level - 1));
        let mut entries = 0;
        let mut at = base;
        while let Some(run) = self
            .runs
            .at_least(&self.arena, &at)
            .and_then(|id| self.run(id))
            && run.start < end
        {
            if run.table == id {
                entries += run.count;
            }
            at = run.end();
        }
        let mut at = (table.level + 1, base);
        while let Some(child) = self
            .tables
            .at_least(&self.arena, &at)
            .and_then(|id| self.table(id))
            && child.level == table.level + 1
            && child.base < end
        {
            entries += 1;
            at = (child.level, child.base + 1);
        }
        entries
    }
}
