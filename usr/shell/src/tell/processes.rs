//! Processes, services, and what they hold.

use super::{Answer, Teller, Words, said, usage};
use alloc::string::String;
use aos::cap::CapRef;
use aos::cap::dispatcher::dispatcher_capabilities;
use aos::kpi::cap::Capability;
use aos::kpi::invocation::CapPosition;
use aos::kpi::slots::task;
use aos::listing::caps::{self, Rows};
use aos::listing::{Column, Listing, Value};
use aos::{Error, ErrorCode};
use services::process::State;

const PROCESSES: &[Column] = &[
    Column::right("PID", 5),
    Column::right("CORE", 4),
    Column::left("STATE", 8),
    Column::left("NAME", 0),
];
const SERVICES: &[Column] = &[
    Column::left("NAME", 16),
    Column::right("PID", 5),
    Column::left("STATE", 10),
    Column::left("RESTARTS", 0),
];

impl Teller {
    pub(super) async fn ps(&self, words: &Words) -> Answer {
        let mut list = Listing::new(PROCESSES, words.is_json);
        for about in self
            .processes
            .ask(async |client| client.all().await)
            .await?
        {
            let state = match about.state {
                State::Running => "running",
                State::Suspended => "stopped",
            };
            list.row([
                about.pid.into(),
                u32::from(about.core).into(),
                state.into(),
                about.name.into(),
            ]);
        }
        said(list.finish())
    }

    pub(super) async fn services(&self, words: &Words) -> Answer {
        let mut list = Listing::new(SERVICES, words.is_json);
        for service in self
            .processes
            .ask(async |client| client.services().await)
            .await?
        {
            let pid = match service.pid {
                0 => Value::None,
                pid => pid.into(),
            };
            list.row([
                service.name.into(),
                pid,
                service.state.into(),
                service.restarts.into(),
            ]);
        }
        said(list.finish())
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

    /// Whether this session would end, or could do nothing any more, without that service: the first shell, the terminal, the name server.
    async fn carries_us(&self, service: &str) -> Result<bool, Error> {
        let services = self
            .processes
            .ask(async |client| client.services().await)
            .await?;
        let Some(found) = services.into_iter().find(|one| one.name == service) else {
            return Ok(false);
        };
        if found.pid == 0 {
            return Ok(false);
        }
        let terminal = aos::names::name(aos::rpc::SERIAL)?;
        let terminal = aos::names::connect().await?.lookup(terminal).await;
        let is_terminal = terminal.is_ok_and(|terminal| terminal.pid.0 == found.pid);
        let is_own = found.pid == aos::Args::own().pid();
        Ok(is_own || is_terminal || ["nameserver", "shell"].contains(&service))
    }

    pub(super) async fn manage(&self, service: &str, starts: bool) -> Answer {
        if !starts && self.carries_us(service).await? {
            let text = alloc::format!(
                "stop: without {service} nobody could type here any more; `kill -f PID` has it end and start again, `shutdown` ends all\n"
            );
            return Ok((text, 1));
        }
        self.processes
            .ask(async |client| match starts {
                true => client.start(service).await,
                false => client.stop(service).await,
            })
            .await?;
        said(String::new())
    }

    /// What the shell holds, as its own dispatcher lists it; of others, as the process server does.
    pub(super) async fn caps(&self, words: &Words) -> Answer {
        let pid = match words.first().map(str::parse::<u32>) {
            None => None,
            Some(Ok(pid)) => Some(pid),
            Some(Err(_)) => return usage(words.command),
        };
        let mut out = match words.is_json {
            true => String::new(),
            false => caps::header(),
        };
        let mut rows = Rows::new(None, aos::core_id().0, words.is_json);
        let Some(pid) = pid else {
            for found in dispatcher_capabilities(CapRef::task(task::DISPATCHER)) {
                let (position, capability) = found?;
                out += &rows.add(position, capability);
            }
            return said(out + &rows.finish());
        };
        let mut behind = 0;
        loop {
            let page = self
                .processes
                .ask(async |client| client.capabilities(pid, behind).await)
                .await;
            let page = match page {
                Err(error) if error.contains(ErrorCode::SpawnDomainNotfound) => {
                    let text = alloc::format!(
                        "caps: {pid}: no such process; `ps` lists those there are\n"
                    );
                    return Ok((text, 1));
                }
                page => page?,
            };
            let Some(last) = page.last() else {
                return said(out + &rows.finish());
            };
            behind = last.position;
            for held in page {
                let capability = Capability::from_words(held.words);
                let capability = capability.ok_or(Error::new(ErrorCode::SysIdentifyLookup))?;
                out += &rows.add(CapPosition(held.position), capability);
            }
        }
    }
}
