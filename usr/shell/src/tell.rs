//! Commands that ask a server.

use crate::servers::{Machine, Memory, PATIENCE, PAUSE, Processes, Server, is_lost};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use aos::cap::CapRef;
use aos::cap::dispatcher::dispatcher_capabilities;
use aos::event::sleep_until;
use aos::kpi::addr::CapLevel;
use aos::kpi::slots::task;
use aos::names::{self, Found};
use aos::{Error, ErrorCode, time};
use core::fmt::Write;
use services::process::State;
use services::system::ModuleAbout;
use session::Said;

/// Lines of the log without an argument.
const LOG_LINES: u32 = 50;
/// Services that one answer tells of.
const PAGE: u32 = 8;
/// The servers that are asked.
#[derive(Clone)]
pub struct Teller {
    pub processes: Server<Processes>,
    pub machine: Server<Machine>,
    pub memory: Server<Memory>,
}

type Answer = Result<Said, Error>;

fn said(text: String) -> Answer {
    Ok((text, 0))
}

impl Teller {
    /// Does a command; errors are what it says.
    pub async fn tell(&self, command: &'static str, args: Vec<String>) -> Said {
        let first = args.first().map(String::as_str);
        let answer = match command {
            "caps" => caps(),
            "led" => self.led(first).await,
            "log" => self.log(first).await,
            "mem" => self.mem().await,
            "modules" => self.list_modules().await,
            "nslist" => self.nslist(first.unwrap_or("**")).await,
            "nslookup" => self.nslookup(first.unwrap_or_default()).await,
            "ps" => self.ps().await,
            "reboot" => self.end(true).await,
            "services" => self.services().await,
            "shutdown" => self.end(false).await,
            "start" => self.manage(first.unwrap_or_default(), true).await,
            "stop" => self.manage(first.unwrap_or_default(), false).await,
            "uptime" => {
                let micros = time::micros(time::now());
                let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
                said(alloc::format!("up {seconds}.{rest:06} s\n"))
            }
            _ => Err(Error::new(ErrorCode::FlounderInvalidState)),
        };
        answer.unwrap_or_else(|error| (alloc::format!("{command}: {error}\n"), 1))
    }

    /// All files of the boot image.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn modules(&self) -> Result<Vec<ModuleAbout>, Error> {
        let mut all = Vec::new();
        loop {
            let from = all.len() as u32;
            let page = self
                .machine
                .ask(async |client| client.modules(from).await)
                .await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    async fn list_modules(&self) -> Answer {
        let mut out = alloc::format!("{:16} {:>9} ARGS\n", "NAME", "BYTES");
        for ModuleAbout { name, bytes, args } in self.modules().await? {
            let _ = writeln!(out, "{name:16} {bytes:>9} {args}");
        }
        said(out)
    }

    /// The services that a query means.
    ///
    /// # Errors
    /// Those of the query, and of the call.
    pub async fn enumerate(&self, query: &str) -> Result<Vec<Found>, Error> {
        let query = names::query(query)?;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (query, from) = (&query, &after);
            let page = patiently(async move || {
                let client = names::connect().await?;
                client
                    .enumerate(query.clone(), Option::clone(from), PAGE)
                    .await
            });
            let (found, next) = page.await?;
            all.extend(found);
            after = next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn nslist(&self, query: &str) -> Answer {
        if let Err(error) = query.parse::<names::engine::Query>() {
            return Ok((alloc::format!("nslist: {error}\n"), 64));
        }
        let mut out = alloc::format!("{:<24} {:>5} {:>7} PROPERTIES\n", "NAME", "PID", "SERVICE");
        for found in self.enumerate(query).await? {
            let (name, pid, handle) = (found.name.to_string(), found.pid.0, found.handle);
            let _ = writeln!(out, "{name:<24} {pid:>5} {handle:>7} {}", found.properties);
        }
        said(out)
    }

    async fn nslookup(&self, name: &str) -> Answer {
        let parsed = match name.parse::<names::engine::Name>() {
            Ok(parsed) => parsed,
            Err(error) => return Ok((alloc::format!("nslookup: {error}\n"), 64)),
        };
        match lookup(&parsed).await {
            Ok(found) => said(alloc::format!("{}\n", found.pid.0)),
            Err(error) if error.contains(ErrorCode::LibNameserviceUnknownName) => {
                let text = "no such service; `nslist` shows those there are";
                Ok((alloc::format!("nslookup: {name}: {text}\n"), 1))
            }
            Err(error) => Err(error),
        }
    }

    async fn ps(&self) -> Answer {
        let mut out = alloc::format!("{:>5} {:>4} {:8} NAME\n", "PID", "CORE", "STATE");
        for about in self
            .processes
            .ask(async |client| client.all().await)
            .await?
        {
            let (pid, core, name) = (about.pid, about.core, about.name);
            let state = match about.state {
                State::Running => "running",
                State::Suspended => "stopped",
            };
            let _ = writeln!(out, "{pid:>5} {core:>4} {state:8} {name}");
        }
        said(out)
    }

    async fn services(&self) -> Answer {
        let mut out = alloc::format!("{:16} {:>5} {:10} RESTARTS\n", "NAME", "PID", "STATE");
        for service in self
            .processes
            .ask(async |client| client.services().await)
            .await?
        {
            let (name, pid, state) = (service.name, service.pid, service.state);
            let pid = if pid == 0 {
                "-".to_string()
            } else {
                pid.to_string()
            };
            let _ = writeln!(out, "{name:16} {pid:>5} {state:10} {}", service.restarts);
        }
        said(out)
    }

    /// Why a process should not be killed by mistake.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn essential(&self, pid: u32) -> Result<Option<String>, Error> {
        let services = self
            .processes
            .ask(async |client| client.services().await)
            .await?;
        let service = services.into_iter().find(|service| service.pid == pid);
        if service.is_none() && self.process_server().await? == pid {
            return Ok(Some(alloc::format!(
                "it is the process server: `kill -f {pid}` has it end, with all that it has started; init starts it again"
            )));
        }
        Ok(service.map(|service| {
            let name = service.name;
            alloc::format!(
                "it is the service {name}: `stop {name}` stops it, `kill -f {pid}` has it crash"
            )
        }))
    }

    async fn process_server(&self) -> Result<u32, Error> {
        let name = aos::names::name(aos::rpc::PROCESS)?;
        let found = aos::names::connect().await?.lookup(name).await?;
        Ok(found.pid.0)
    }

    async fn manage(&self, service: &str, starts: bool) -> Answer {
        self.processes
            .ask(async |client| match starts {
                true => client.start(service).await,
                false => client.stop(service).await,
            })
            .await?;
        said(String::new())
    }

    async fn log(&self, lines: Option<&str>) -> Answer {
        let most = match lines.map(str::parse) {
            None => LOG_LINES,
            Some(Ok(most)) => most,
            Some(Err(_)) => return Ok(("usage: log [LINES]\n".into(), 64)),
        };
        let mut out = String::new();
        for line in self
            .machine
            .ask(async |client| client.log(most).await)
            .await?
        {
            let (seconds, rest) = (line.micros / 1_000_000, line.micros % 1_000_000);
            let _ = writeln!(out, "{seconds:>6}.{rest:06} {}", line.text);
        }
        said(out)
    }

    async fn mem(&self) -> Answer {
        let (total, free, clients) = self.memory.ask(async |client| client.total().await).await?;
        let account = self
            .memory
            .ask(async |client| client.account().await)
            .await?;
        let used = total.saturating_sub(free);
        let (limit, own, _, _) = account;
        said(alloc::format!(
            "total={total} used={used} free={free} clients={clients}\nshell: limit={limit} used={own}\n"
        ))
    }

    async fn led(&self, state: Option<&str>) -> Answer {
        if !matches!(state, None | Some("on" | "off")) {
            return Ok(("usage: led [on|off]\n".into(), 64));
        }
        let name = names::name("dev/led")?;
        match lookup(&name).await {
            Ok(found) => {
                let text = alloc::format!("led: process {} has it\n", found.pid.0);
                Ok((text, 0))
            }
            Err(error) if error.contains(ErrorCode::LibNameserviceUnknownName) => {
                let text = "led: this board has no light that a program could switch (no service dev/led)\n";
                Ok((text.into(), 1))
            }
            Err(error) => Err(error),
        }
    }

    async fn end(&self, resets: bool) -> Answer {
        self.machine
            .ask(async |client| client.end(resets).await)
            .await?;
        said(String::new())
    }
}

/// What is registered under a name.
async fn lookup(name: &names::engine::Name) -> Result<Found, Error> {
    patiently(async || names::connect().await?.lookup(name.clone()).await).await
}

/// Asks the name server, and again as long as it is not there: it may be about to start again.
async fn patiently<V>(ask: impl AsyncFn() -> Result<V, Error>) -> Result<V, Error> {
    let deadline = time::after(PATIENCE);
    loop {
        match ask().await {
            Err(error) if time::now() < deadline && is_gone(error) => {
                sleep_until(time::after(PAUSE)).await;
            }
            result => return result,
        }
    }
}

fn is_gone(error: Error) -> bool {
    is_lost(error) || error.contains(ErrorCode::LibNameserviceNotBound)
}

/// The capabilities in the own CSpace, as its dispatcher lists them.
fn caps() -> Answer {
    let mut out = alloc::format!(
        "{:>4} {:>4} {:24} {:>14} {:>12} RIGHTS\n",
        "ROOT",
        "SLOT",
        "TYPE",
        "BASE",
        "BYTES"
    );
    for found in dispatcher_capabilities(CapRef::task(task::DISPATCHER)) {
        let (position, capability) = found?;
        let address = position.address();
        let slot = match position.level() {
            level if level == CapLevel::L2 as u64 => address.l2().to_string(),
            _ => "-".to_string(),
        };
        let _ = writeln!(
            out,
            "{:>4} {slot:>4} {:24} {:>#14x} {:>12} {}",
            address.l1(),
            capability.objtype().name(),
            capability.address(),
            capability.size(),
            capability.rights()
        );
    }
    said(out)
}
