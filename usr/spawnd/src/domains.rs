//! How processes are made: by orders to init, whose children they are in its books; here is whose they really are.

use crate::given::Given;
use alloc::string::ToString;
use alloc::vec::Vec;
use aos::cap::AnyCap;
use aos::kpi::invocation::CapPosition;
use aos::proc::{self, Command};
use aos::{Error, ErrorCode, println};
use services::process::{About, Backend, Holding, Order, Ready, State};
use supervise::Service;
use supervise::lines::Line;

/// Capabilities that one answer tells of.
const PAGE: usize = 64;

/// The services, and what each was given.
pub struct Domains {
    services: Vec<(Line, Option<Given>)>,
}

impl Domains {
    /// Nothing was given yet.
    pub fn new(lines: Vec<Line>) -> Self {
        let services = lines.into_iter().map(|line| (line, None)).collect();
        Self { services }
    }
}

/// With this environment, and nothing of this program's own.
fn with_env<'a>(command: Command<'a>, env: &[alloc::string::String]) -> Result<Command<'a>, Error> {
    env.iter().try_fold(command.env_clear(), |command, word| {
        let (name, value) = word
            .split_once('=')
            .ok_or(Error::new(ErrorCode::SpawnGetCmdlineArgs))?;
        Ok(command.env(name, value))
    })
}

impl Backend for Domains {
    type Cap = AnyCap;

    fn spawn(&mut self, order: &Order, caps: Vec<AnyCap>) -> Result<u32, Error> {
        let bad = Error::new(ErrorCode::SpawnGetCmdlineArgs);
        let (name, args) = order.args.split_first().ok_or(bad)?;
        let mut passed = caps.iter().map(AnyCap::slot);
        let command = match order.elf_bytes {
            0 => Command::new(name),
            bytes => {
                let frame = passed.next().ok_or(Error::new(ErrorCode::SpawnLoad))?;
                Command::of_frame(name, frame, bytes)
            }
        };
        let command = with_env(command.args(args), &order.env)?;
        let command = passed.fold(command, Command::pass);
        Ok(command.spawn()?.pid())
    }

    fn spawn_service(&mut self, service: Service) -> Result<u32, Error> {
        let found = self.services.get_mut(service.0 as usize);
        let unknown = Error::new(ErrorCode::SuperviseUnknownService);
        let (line, given) = found.ok_or(unknown)?;
        let given = match given {
            Some(given) => given,
            None => given.insert(Given::make(&line.grants)?),
        };
        let command = Command::new(&line.module).args(&line.args);
        let mut command = with_env(command, &line.env)?;
        if line.ready == Ready::NameServer {
            command = command.as_name_server();
        }
        let command = given.caps().fold(command, Command::pass);
        Ok(command.spawn()?.pid())
    }

    fn service_ended(&mut self, service: Service) {
        let Some((line, Some(given))) = self.services.get(service.0 as usize) else {
            return;
        };
        if let Err(error) = given.take_back() {
            println!(
                "spawnd: what {} was given could not be taken back: {error}",
                line.name
            );
        }
    }

    fn kill(&mut self, pid: u32) -> Result<(), Error> {
        proc::kill(pid)
    }

    fn suspend(&mut self, pid: u32, suspended: bool) -> Result<(), Error> {
        match suspended {
            true => proc::suspend(pid),
            false => proc::resume(pid),
        }
    }

    fn capabilities(&mut self, pid: u32, behind: u64) -> Result<Vec<Holding>, Error> {
        let mut all = Vec::new();
        let mut behind = CapPosition(behind);
        while all.len() < PAGE {
            let Some((position, capability)) = proc::capability_behind(pid, behind)? else {
                break;
            };
            behind = position;
            all.push(Holding {
                position: position.0,
                words: capability.to_words(),
            });
        }
        Ok(all)
    }

    fn all(&mut self) -> Result<Vec<About>, Error> {
        let all = proc::list()?;
        let about = |process: &proc::Process| About {
            pid: process.pid,
            parent: process.parent.unwrap_or(0),
            core: process.core.0,
            state: match process.state {
                proc::State::Running => State::Running,
                proc::State::Suspended => State::Suspended,
            },
            name: process.name.to_string(),
        };
        Ok(all.iter().map(about).collect())
    }
}
