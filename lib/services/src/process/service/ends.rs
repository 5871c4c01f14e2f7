//! Ends: who is told, and what ends with whom.

use super::super::Ended;
use super::{Backend, KEPT, ProcessService, not_found};
use alloc::vec::Vec;
use flounder::{Answer, Finished};
use supervise::{End, Ticks};

impl<B: Backend> ProcessService<B> {
    /// A process that was started here has ended.
    pub fn exited(&mut self, ended: Ended) {
        let pid = ended.pid;
        let Some(process) = self.processes.remove(&pid) else {
            return;
        };
        self.gone(pid);
        if let Some(run) = process.run {
            self.backend.service_ended(run.service);
            let end = match ended.status {
                0 => End::Well,
                _ => End::Failure,
            };
            let _ = self.supervisor.exited(run, end, Ticks(self.now));
            self.supervise();
        } else if process.parent != 0 {
            self.tell(process.parent, ended);
        }
    }

    /// Does what is due, and gives the answers that are ready.
    pub fn take_finished(&mut self) -> Vec<Finished<B::Cap>> {
        let asked = self.clients.asked(self.now);
        if !asked.is_empty()
            && let Ok(all) = self.backend.all()
        {
            for pid in asked {
                if all.iter().all(|about| about.pid != pid) {
                    self.gone(pid);
                } else if !self.is_owed(pid) {
                    self.clients.forget(pid);
                    if !self.processes.contains_key(&pid) {
                        self.operators.remove(&pid);
                    }
                }
            }
        }
        self.supervisor.tick(Ticks(self.now));
        self.supervise();
        core::mem::take(&mut self.finished)
    }

    /// Whether something is kept for this process.
    fn is_owed(&self, pid: u32) -> bool {
        let mut children = self.processes.values();
        children.any(|process| process.parent == pid)
            || self.ends.iter().any(|(whose, _)| *whose == pid)
    }

    /// A process is no more: what belonged to it ends.
    fn gone(&mut self, pid: u32) {
        self.clients.forget(pid);
        self.operators.remove(&pid);
        self.ends.retain(|(whose, _)| *whose != pid);
        for (child, process) in &mut self.processes {
            if process.parent == pid {
                process.parent = 0;
                // If it has ended, its end is on its way.
                let _ = self.backend.kill(*child);
            }
        }
    }

    fn tell(&mut self, parent: u32, ended: Ended) {
        let pid = ended.pid;
        let mut waits = self.take_waits(pid).into_iter();
        match waits.next() {
            Some(first) => self.finished.push(first.finish(Ok(ended))),
            None => {
                let kept = self.ends.iter().filter(|(whose, _)| *whose == parent);
                if kept.count() >= KEPT
                    && let Some(oldest) = self.ends.iter().position(|(whose, _)| *whose == parent)
                {
                    self.ends.remove(oldest);
                }
                self.ends.push((parent, ended));
            }
        }
        // The end is told once.
        waits.for_each(|wait| self.finished.push(wait.finish(Err(not_found()))));
    }

    pub(super) fn take_waits(&mut self, pid: u32) -> Vec<Answer<Ended, B::Cap>> {
        let waits = self.waits.extract_if(.., |(of, _)| *of == pid);
        waits.map(|(_, answer)| answer).collect()
    }
}
