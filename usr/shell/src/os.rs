//! The system around a session: what it asks, done by servers.

use crate::line::Line;
use crate::offered::{Module, Offered};
use crate::servers::{Machine, Memory, News, Processes, Server, is_lost};
use crate::tell::Teller;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use aos::exit::DomainName;
use aos::stdio::Way;
use aos::{Args, Error, event, rpc, time};
use core::future::poll_fn;
use core::task::{Context, Poll};
use services::process::{Ended, Order};
use services::streams::Content;
use services::system;
use services::terminal::{Mode, Signal, Typed};
use session::{Asked, Inherited, Os, Said, SharedStreams, Task};

/// The system.
pub struct System {
    line: Rc<Line>,
    offered: Offered,
    processes: Server<Processes>,
    machine: Server<Machine>,
    teller: Teller,
    news: News,
}

impl System {
    /// Offers streams; the servers are looked for when they are needed.
    ///
    /// # Errors
    /// As [`Offered::new`].
    pub fn new() -> Result<Self, Error> {
        let news = News::default();
        let processes = Server::new(rpc::PROCESS, "the process server", &news);
        let machine = Server::new(system::NAME, "the machine's service", &news);
        let memory = Server::<Memory>::new(rpc::MEMORY, "the memory server", &news);
        Ok(Self {
            line: Rc::new(Line::new(&news)),
            offered: Offered::new()?,
            teller: Teller {
                processes: processes.clone(),
                machine: machine.clone(),
                memory,
            },
            processes,
            machine,
            news,
        })
    }

    /// The streams that it offers.
    pub fn streams(&self) -> SharedStreams {
        self.offered.streams.clone()
    }

    /// A call to the process server.
    fn ask<V: 'static>(
        &self,
        make: impl AsyncFn(&Processes) -> Result<V, Error> + 'static,
    ) -> Asked<V> {
        let processes = self.processes.clone();
        Box::pin(async move { processes.ask(make).await })
    }
}

fn inherited(way: Way, otherwise: Inherited) -> Inherited {
    match way {
        Way::Stream { .. } => otherwise,
        way => Inherited::Same(way.to_string()),
    }
}

impl Os for System {
    fn block_on(&self, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        event::block_on(poll_fn(|context| poll(context)));
    }

    fn serve(&self, context: &mut Context<'_>) {
        self.offered.serve(context);
    }

    fn stream(&self, end: u32) -> String {
        self.offered.word(end)
    }

    fn input(&self) -> Inherited {
        inherited(self.line.input, Inherited::Nothing)
    }

    fn output(&self) -> Inherited {
        inherited(self.line.output, Inherited::Passed)
    }

    fn micros(&self) -> u64 {
        time::micros(time::now())
    }

    fn pid(&self) -> u32 {
        Args::own().pid()
    }

    fn name(&self) -> String {
        DomainName::own().to_string()
    }

    fn news(&self) -> Vec<String> {
        self.news.take()
    }

    fn read(&self, most: u32) -> Asked<Typed> {
        Box::pin(self.line.clone().read(most))
    }

    fn write(&self, bytes: Vec<u8>) -> Asked<()> {
        Box::pin(self.line.clone().write(bytes))
    }

    fn set_mode(&self, mode: Mode) -> Asked<()> {
        Box::pin(self.line.clone().set_mode(mode))
    }

    fn lend(&self, pid: u32) -> Asked<()> {
        Box::pin(self.line.clone().lend(pid))
    }

    fn take_back(&self) -> Asked<()> {
        Box::pin(self.line.clone().take_back())
    }

    fn interrupted(&self) -> Task<Signal> {
        Box::pin(self.line.clone().interrupted())
    }

    fn spawn(&self, order: Order) -> Asked<u32> {
        let processes = self.processes.clone();
        Box::pin(async move {
            // Not again if the connection is lost: it may have been done.
            let client = processes.connect().await?;
            client.spawn(order, Vec::new()).await
        })
    }

    fn kill(&self, pid: u32) -> Asked<()> {
        self.ask(async move |client: &Processes| client.kill(pid).await)
    }

    fn suspend(&self, pid: u32) -> Asked<()> {
        self.ask(async move |client: &Processes| client.suspend(pid).await)
    }

    fn resume(&self, pid: u32) -> Asked<()> {
        self.ask(async move |client: &Processes| client.resume(pid).await)
    }

    fn wait(&self, pid: u32) -> Asked<Ended> {
        let processes = self.processes.clone();
        Box::pin(async move {
            let client = processes.connect().await?;
            match client.wait(pid).await {
                Err(error) if is_lost(error) => {
                    // A new one does not know whose the old one's processes were.
                    let _ = processes.connect().await;
                    Err(error)
                }
                result => result,
            }
        })
    }

    fn essential(&self, pid: u32) -> Asked<Option<String>> {
        let teller = self.teller.clone();
        Box::pin(async move { teller.essential(pid).await })
    }

    fn modules(&self) -> Asked<Vec<(String, u64)>> {
        let teller = self.teller.clone();
        Box::pin(async move {
            let modules = teller.modules().await?;
            Ok(modules
                .into_iter()
                .map(|module| (module.name, module.bytes))
                .collect())
        })
    }

    fn module(&self, name: &str) -> Asked<Rc<dyn Content>> {
        let machine = self.machine.clone();
        let name = name.to_string();
        Box::pin(async move {
            let (cap, bytes) = machine
                .ask(async |client| client.module(&name).await)
                .await?;
            let module: Rc<dyn Content> = Rc::new(Module::new(cap, bytes)?);
            Ok(module)
        })
    }

    fn names(&self) -> Asked<Vec<String>> {
        let teller = self.teller.clone();
        Box::pin(async move {
            let found = teller.enumerate("**").await?;
            Ok(found.into_iter().map(|one| one.name.to_string()).collect())
        })
    }

    fn services(&self) -> Asked<Vec<String>> {
        let asked = self.ask(async |client: &Processes| client.services().await);
        Box::pin(async move {
            let services = asked.await?;
            Ok(services.into_iter().map(|service| service.name).collect())
        })
    }

    fn tell(&self, command: &'static str, args: Vec<String>) -> Task<Said> {
        let teller = self.teller.clone();
        Box::pin(async move { teller.tell(command, args).await })
    }

    fn concluded(&self, line: &str, status: u8) -> Task<()> {
        let machine = self.machine.clone();
        let line = line.to_string();
        Box::pin(async move {
            // Only of operators it is wanted, and without that service nobody waits for it.
            if let Ok(client) = machine.connect().await {
                let _ = client.concluded(&line, status).await;
            }
        })
    }
}
