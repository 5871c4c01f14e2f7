//! What runs: processes, and commands that run in the shell.
//!
//! Both have a number, streams that are theirs, and end with a status. Numbers of commands begin where those of processes end.

use crate::io::{Gate, Shared};
use crate::os::{Asked, Task};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::task::{Context, Poll};
use services::process::Ended;
use shell::run::status;

/// The first number of a command of the shell's.
pub(crate) const FIRST_COMMAND: u64 = 1 << 32;

/// Most processes and commands at once: each has a call waiting at the process server.
pub(crate) const MOST: usize = 48;

/// What moves it.
enum What {
    Process(Asked<Ended>),
    Command {
        task: Task<u8>,
        gate: Gate,
        is_stopped: bool,
    },
}

/// One that runs.
struct Running {
    number: u64,
    name: String,
    what: What,
    /// Its streams, closed with it.
    ends: Vec<u32>,
    /// It reads what is typed.
    reads_terminal: bool,
}

/// One that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Over {
    pub(crate) number: u64,
    pub(crate) status: u8,
    /// What there is to say of it beyond its status.
    pub(crate) why: Option<String>,
}

/// All that runs.
pub(crate) struct Table {
    shared: Rc<Shared>,
    running: Vec<Running>,
    /// Requests whose answers matter to nobody.
    chores: Vec<Task<()>>,
    last_command: u64,
}

impl Table {
    pub(crate) const fn new(shared: Rc<Shared>) -> Self {
        Self {
            shared,
            running: Vec::new(),
            chores: Vec::new(),
            last_command: FIRST_COMMAND,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether that number still runs.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.running.iter().any(|one| one.number == number)
    }

    /// Which of these reads what is typed: the first process that does.
    pub(crate) fn reader(&self, numbers: &[u64]) -> Option<u32> {
        let reads = |one: &&Running| one.reads_terminal && numbers.contains(&one.number);
        let found = self.running.iter().find(reads)?;
        u32::try_from(found.number).ok()
    }

    /// A process was started.
    pub(crate) fn add_process(&mut self, pid: u32, name: String, ends: Vec<u32>, reads: bool) {
        self.running.push(Running {
            number: pid.into(),
            name,
            what: What::Process(self.shared.os.wait(pid)),
            ends,
            reads_terminal: reads,
        });
    }

    /// A command runs in the shell from now on; answers its number.
    pub(crate) fn add_command(
        &mut self,
        name: String,
        task: Task<u8>,
        ends: Vec<u32>,
        gate: Gate,
    ) -> u64 {
        self.last_command += 1;
        self.running.push(Running {
            number: self.last_command,
            name,
            what: What::Command {
                task,
                gate,
                is_stopped: false,
            },
            ends,
            reads_terminal: false,
        });
        self.last_command
    }

    /// Whether those of these that are commands may read what is typed. Poll it after that: who reads must let go of it.
    pub(crate) fn set_foreground(&self, numbers: &[u64], is_foreground: bool) {
        for one in &self.running {
            if let What::Command { gate, .. } = &one.what
                && numbers.contains(&one.number)
            {
                gate.set(is_foreground);
            }
        }
    }

    /// Has a command stand still, or go on. A process is the system's affair.
    pub(crate) fn set_stopped(&mut self, number: u64, stops: bool) {
        for one in &mut self.running {
            if let What::Command { is_stopped, .. } = &mut one.what
                && one.number == number
            {
                *is_stopped = stops;
            }
        }
    }

    /// Has it end. A process's end is told when it has; a command just is no more.
    pub(crate) fn kill(&mut self, number: u64) -> Option<Over> {
        match u32::try_from(number) {
            Ok(pid) => {
                let asked = self.shared.os.kill(pid);
                self.chore(asked);
                None
            }
            Err(_) => {
                let index = self.running.iter().position(|one| one.number == number)?;
                let one = self.running.remove(index);
                self.close(one.ends);
                Some(Over {
                    number,
                    status: status::KILLED,
                    why: None,
                })
            }
        }
    }

    /// Sees a request through.
    pub(crate) fn chore(&mut self, asked: Asked<()>) {
        self.chores.push(alloc::boxed::Box::pin(async move {
            let _ = asked.await;
        }));
    }

    fn close(&self, ends: Vec<u32>) {
        let mut streams = self.shared.streams.borrow_mut();
        ends.into_iter().for_each(|end| streams.close(end));
    }

    /// Moves everything on as far as it goes; gives what has ended.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Vec<Over> {
        let mut over = Vec::new();
        loop {
            let before = self.shared.streams.borrow().changes();
            self.shared.os.serve(context);
            self.chores
                .retain_mut(|chore| chore.as_mut().poll(context).is_pending());
            let ended = self.poll_running(context);
            self.end_writers();
            let is_still = ended.is_empty() && self.shared.streams.borrow().changes() == before;
            over.extend(ended);
            if is_still {
                return over;
            }
        }
    }

    fn poll_running(&mut self, context: &mut Context<'_>) -> Vec<Over> {
        let mut over = Vec::new();
        let mut index = 0;
        while let Some(one) = self.running.get_mut(index) {
            let ended = match &mut one.what {
                What::Command {
                    is_stopped: true, ..
                } => Poll::Pending,
                What::Command { task, .. } => {
                    task.as_mut().poll(context).map(|status| (status, None))
                }
                What::Process(wait) => wait.as_mut().poll(context).map(|ended| match ended {
                    // That it was killed says the status.
                    Ok(ended) if ended.why.is_empty() || ended.status == status::KILLED => {
                        (ended.status, None)
                    }
                    Ok(ended) => (ended.status, Some(ended.why)),
                    Err(error) => {
                        let why = alloc::format!("its end is not known: {error}");
                        (status::KILLED, Some(why))
                    }
                }),
            };
            let Poll::Ready((status, why)) = ended else {
                index += 1;
                continue;
            };
            let one = self.running.remove(index);
            self.close(one.ends);
            let why = why.map(|why| alloc::format!("{} (pid {}): {why}", one.name, one.number));
            over.push(Over {
                number: one.number,
                status,
                why,
            });
        }
        over
    }

    /// Who writes where nobody reads is ended, as it cannot know.
    fn end_writers(&mut self) {
        let broken = self.shared.streams.borrow_mut().take_broken();
        for end in broken {
            let writer = self.running.iter().find(|one| one.ends.contains(&end));
            let number = writer.map(|one| one.number);
            if let Some(pid) = number.and_then(|number| u32::try_from(number).ok()) {
                let asked = self.shared.os.kill(pid);
                self.chore(asked);
            }
        }
    }
}
