//! What the session asks of the fake system.

use super::fake::{Fake, Handle, Module, Process};
use super::programs::program;
use errors::{Error, ErrorCode};
use services::process::{Ended, Order};
use services::streams::Content;
use services::terminal::{Mode, Signal, Typed};
use session::{Asked, Inherited, Os, Said, Task};
use std::future::{poll_fn, ready};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

fn done<T: 'static>(result: Result<T, Error>) -> Asked<T> {
    Box::pin(ready(result))
}

fn unknown() -> Error {
    Error::new(ErrorCode::SpawnDomainNotfound)
}

impl Os for Handle {
    fn block_on(&self, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let mut quiet = 0;
        loop {
            self.0.turns.set(self.0.turns.get() + 1);
            let before = (
                self.0.streams.borrow().changes(),
                self.0.out.borrow().len(),
                self.alive(),
            );
            if poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                return;
            }
            self.step();
            let after = (
                self.0.streams.borrow().changes(),
                self.0.out.borrow().len(),
                self.alive(),
            );
            quiet = if before == after { quiet + 1 } else { 0 };
            if self.0.turns.get().is_multiple_of(500) {
                // Somebody goes on for ever; the user does something all the same.
                self.next_event();
            }
            if quiet > 8 {
                quiet = 0;
                assert!(
                    self.next_event(),
                    "it hangs; so far:\n{}",
                    self.0.out.borrow()
                );
            }
        }
    }

    fn serve(&self, _: &mut Context<'_>) {
        let mut server = self.0.server.borrow_mut();
        let mut connections = self.0.connections.borrow_mut();
        while connections.poll(&mut *server, 16, Waker::noop()) {}
        let finished = self.0.streams.borrow_mut().take_finished();
        for answer in finished {
            connections.finish(&mut *server, answer.any());
        }
    }

    fn stream(&self, end: u32) -> String {
        format!("stream:1:{end}")
    }

    fn input(&self) -> Inherited {
        self.0.input.borrow().clone()
    }

    fn output(&self) -> Inherited {
        self.0.output.borrow().clone()
    }

    fn micros(&self) -> u64 {
        1
    }

    fn pid(&self) -> u32 {
        9
    }

    fn name(&self) -> String {
        "shell".into()
    }

    fn news(&self) -> Vec<String> {
        self.0.news.take()
    }

    fn read(&self, _: u32) -> Asked<Typed> {
        if self.0.is_lost.take() {
            let news = "the terminal was started again".into();
            self.0.news.borrow_mut().push(news);
            return done(Err(Error::new(ErrorCode::FlounderConnectionLost)));
        }
        let typed = self.typed(9);
        Box::pin(async move {
            let bytes = typed.await;
            let end = bytes.is_empty();
            Ok(Typed { bytes, end })
        })
    }

    fn write(&self, bytes: Vec<u8>) -> Asked<()> {
        self.0
            .out
            .borrow_mut()
            .push_str(&String::from_utf8(bytes).unwrap());
        done(Ok(()))
    }

    fn set_mode(&self, mode: Mode) -> Asked<()> {
        assert_ne!(self.0.mode.replace(mode), mode, "the mode is what it was");
        done(Ok(()))
    }

    fn lend(&self, pid: u32) -> Asked<()> {
        self.0.foreground.borrow_mut().push(pid);
        done(Ok(()))
    }

    fn take_back(&self) -> Asked<()> {
        self.0.foreground.borrow_mut().truncate(1);
        done(Ok(()))
    }

    fn interrupted(&self) -> Task<Signal> {
        let this = self.clone();
        Box::pin(poll_fn(move |_| {
            let signal = this.0.signals.borrow_mut().pop_front();
            signal.map_or(Poll::Pending, Poll::Ready)
        }))
    }

    fn spawn(&self, order: Order) -> Asked<u32> {
        let pid = self.0.last.get() + 1;
        let Some(task) = program(self, pid, &order) else {
            return done(Err(Error::new(ErrorCode::SpawnFindModule)));
        };
        self.0.last.set(pid);
        let name = order.args.first().unwrap().clone();
        self.0.orders.borrow_mut().push(order);
        let process = Process {
            name,
            task: Some(task),
            is_suspended: false,
            ended: None,
        };
        self.0.processes.borrow_mut().insert(pid, process);
        // It runs before the answer is there.
        self.step();
        done(Ok(pid))
    }

    fn kill(&self, pid: u32) -> Asked<()> {
        let mut processes = self.0.processes.borrow_mut();
        done(match processes.get_mut(&pid) {
            Some(one) if one.ended.is_none() => {
                one.ended = Some(128);
                one.task = None;
                Ok(())
            }
            _ => Err(unknown()),
        })
    }

    fn suspend(&self, pid: u32) -> Asked<()> {
        done(self.0.set_suspended(pid, true))
    }

    fn resume(&self, pid: u32) -> Asked<()> {
        done(self.0.set_suspended(pid, false))
    }

    fn wait(&self, pid: u32) -> Asked<Ended> {
        let this = self.clone();
        Box::pin(poll_fn(move |_| {
            let processes = this.0.processes.borrow();
            match processes.get(&pid).map(|one| one.ended) {
                None => Poll::Ready(Err(unknown())),
                Some(None) => Poll::Pending,
                Some(Some(status)) => {
                    let why = if status == 129 { "null pointer" } else { "" };
                    let why = why.into();
                    Poll::Ready(Ok(Ended { pid, status, why }))
                }
            }
        }))
    }

    fn essential(&self, pid: u32) -> Asked<Option<String>> {
        done(Ok((pid == 2).then(|| "is the name server".into())))
    }

    fn modules(&self) -> Asked<Vec<(String, u64)>> {
        done(Ok(vec![
            ("hello".into(), 100),
            ("menu.lst".into(), 7),
            ("spin".into(), 1),
        ]))
    }

    fn module(&self, name: &str) -> Asked<Rc<dyn Content>> {
        done(match name {
            "menu.lst" => Ok(Rc::new(Module("a menu\n"))),
            _ => Err(Error::new(ErrorCode::SpawnFindModule)),
        })
    }

    fn names(&self) -> Asked<Vec<String>> {
        done(Ok(vec![
            "service/process".into(),
            "service/terminal".into(),
        ]))
    }

    fn services(&self) -> Asked<Vec<String>> {
        done(Ok(vec!["serial".into()]))
    }

    fn tell(&self, command: &'static str, args: Vec<String>) -> Task<Said> {
        let said = match command {
            "led" => ("led: this board has no light\n".into(), 1),
            _ => (format!("{command} {args:?}\n"), 0),
        };
        Box::pin(ready(said))
    }

    fn concluded(&self, line: &str, status: u8) -> Task<()> {
        self.0.concluded.borrow_mut().push((line.into(), status));
        Box::pin(ready(()))
    }
}

impl Fake {
    fn set_suspended(&self, pid: u32, is_suspended: bool) -> Result<(), Error> {
        let mut processes = self.processes.borrow_mut();
        match processes.get_mut(&pid) {
            Some(one) if one.ended.is_none() => {
                one.is_suspended = is_suspended;
                Ok(())
            }
            _ => Err(unknown()),
        }
    }
}
