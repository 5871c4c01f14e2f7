//! The shadow of the tables: made when something is mapped in their reach, gone with their last entry.

use crate::env::Tables;
use crate::error::{Cause, Why};
use crate::level::{entry_of, table_base};
use crate::node::{Content, Node, Table};
use crate::space::{NO_TABLE, Space};
use arena::{Id, Store};

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// The table of level 1 to 3 that covers an address.
    pub(crate) fn find_table(&self, level: u8, at: u64) -> Option<Id> {
        let base = table_base(level, at);
        if level == 3 && self.recent.0 == base {
            return Some(self.recent.1);
        }
        self.tables.find(&self.arena, &(level, base))
    }

    pub(crate) fn table(&self, id: Id) -> Option<&Table<C>> {
        self.arena.get(id)?.table()
    }

    /// The capability of a table; of the root for [`Id::NONE`].
    pub(crate) fn table_cap(&self, id: Id) -> C {
        self.table(id).map_or(self.root, |table| table.cap)
    }

    /// Entries of a table were filled.
    pub(crate) fn add_used(&mut self, id: Id, entries: u16) {
        if let Some(table) = self.arena.get_mut(id).and_then(Node::table_mut) {
            table.used = table.used.saturating_add(entries);
        }
    }

    /// Entries of a table were emptied.
    pub(crate) fn sub_used(&mut self, id: Id, entries: u16) {
        if let Some(table) = self.arena.get_mut(id).and_then(Node::table_mut) {
            table.used = table.used.saturating_sub(entries);
        }
    }

    /// # Errors
    /// [`Why::Nodes`].
    pub(crate) fn add_table(&mut self, table: Table<C>) -> Result<Id, Why> {
        let parent = table.parent;
        let node = Node::new(Content::Table(table));
        let id = self.arena.insert(node).ok_or(Why::Nodes(1))?;
        self.tables.insert(&mut self.arena, id);
        self.counts.tables += 1;
        self.add_used(parent, 1);
        Ok(id)
    }

    /// The table of level 1 to 3 that covers an address, made with those above it if need be. When that fails, none was.
    ///
    /// # Errors
    /// The environment's, [`Why::Nodes`].
    pub(crate) fn make_table<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        level: u8,
        at: u64,
    ) -> Result<Id, Cause<T::Error>> {
        if let Some(id) = self.find_table(level, at) {
            if level == 3 {
                self.recent = (table_base(level, at), id);
            }
            return Ok(id);
        }
        let mut parent = Id::NONE;
        for level in 1..=level {
            parent = match self.find_table(level, at) {
                Some(id) => id,
                None => match self.grow(env, parent, level, at) {
                    Ok(id) => id,
                    Err(cause) => {
                        self.release_table(env, level - 1, at);
                        return Err(cause);
                    }
                },
            };
        }
        Ok(parent)
    }

    fn grow<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        parent: Id,
        level: u8,
        at: u64,
    ) -> Result<Id, Cause<T::Error>> {
        self.need(1)?;
        let entry = entry_of(level - 1, at);
        let (cap, mapping) = env
            .grow(self.table_cap(parent), level, entry)
            .map_err(Cause::Environment)?;
        let table = Table {
            base: table_base(level, at),
            cap,
            mapping,
            parent,
            used: 0,
            level,
        };
        Ok(self.add_table(table)?)
    }

    /// Takes a table away if nothing is in it, and then those above it likewise. What cannot be taken away stays, to be used again.
    pub(crate) fn release_table<T: Tables<Cap = C>>(&mut self, env: &mut T, level: u8, at: u64) {
        for level in (1..=level).rev() {
            let Some(id) = self.find_table(level, at) else {
                continue;
            };
            let Some(table) = self.table(id).copied().filter(|table| table.used == 0) else {
                return;
            };
            let parent = self.table_cap(table.parent);
            if env.prune(parent, level, table.cap, table.mapping).is_err() {
                self.has_empty = true;
                return;
            }
            if self.recent.1 == id {
                self.recent = NO_TABLE;
            }
            self.tables.remove(&mut self.arena, &(level, table.base));
            self.arena.remove(id);
            self.counts.tables -= 1;
            self.sub_used(table.parent, 1);
        }
    }

    /// Tries once more to take tables away that are empty, but could not be when they became so.
    pub fn trim<T: Tables<Cap = C>>(&mut self, env: &mut T) {
        if !core::mem::take(&mut self.has_empty) {
            return;
        }
        // Children first.
        let mut below = (u8::MAX, u64::MAX);
        while let Some(id) = self.tables.at_most(&self.arena, &below)
            && let Some(&Table {
                base, level, used, ..
            }) = self.table(id)
        {
            if used == 0 {
                self.release_table(env, level, base);
            }
            below = match base.checked_sub(1) {
                Some(base) => (level, base),
                None => (level - 1, u64::MAX),
            };
        }
    }
}
