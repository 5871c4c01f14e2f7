//! How processes are made: by orders to init, whose children they are in its books; here is whose they really are.

use crate::given::Given;
use alloc::vec::Vec;
use aos::cap::AnyCap;
use aos::exit::exit;
use aos::initproto::STATUS_KILLED;
use aos::proc::{self, Command};
use aos::{Args, Error, ErrorCode, Status, println};
use services::process::{About, Backend, Holding, Order, Ready};
use serving::process;
use supervise::Service;
use supervise::lines::Line;

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

impl Backend for Domains {
    type Cap = AnyCap;

    fn spawn(&mut self, order: &Order, caps: Vec<AnyCap>) -> Result<u32, Error> {
        process::spawn(order, &caps)
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
        let mut command = process::with_env(command, &line.env)?;
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
        if pid == Args::own().pid() {
            println!("spawnd: ended by an operator");
            exit(Status(STATUS_KILLED));
        }
        proc::kill(pid)
    }

    fn suspend(&mut self, pid: u32, suspended: bool) -> Result<(), Error> {
        process::suspend(pid, suspended)
    }

    fn capabilities(&mut self, pid: u32, behind: u64) -> Result<Vec<Holding>, Error> {
        process::capabilities(pid, behind)
    }

    fn all(&mut self) -> Result<Vec<About>, Error> {
        process::all()
    }
}
