//! Commands that ask a server.
//!
//! | Module | Commands |
//! |---|---|
//! | [`machine`] | `led`, `log`, `mem`, `modules`, `reboot`, `shutdown`, `uptime` |
//! | [`names`] | `nslist`, `nslookup` |
//! | [`processes`] | `caps`, `ps`, `services`, `start`, `stop` |
//!
//! What lists something takes `--json`: an object a line ([`listing`]).

mod machine;
mod names;
mod processes;

use crate::servers::{Machine, Memory, Processes, Server};
use alloc::string::String;
use alloc::vec::Vec;
use aos::{Error, ErrorCode};
use session::Said;

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

/// It was used in the wrong way.
fn usage(command: &'static str) -> Answer {
    let text = session::usage(command);
    Ok((alloc::format!("{text}\n"), 64))
}

/// A command's arguments.
struct Words {
    command: &'static str,
    /// Without `--json`.
    words: Vec<String>,
    is_json: bool,
}

impl Words {
    fn first(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
    }
}

impl Teller {
    /// Does a command; errors are what it says.
    pub async fn tell(&self, command: &'static str, mut words: Vec<String>) -> Said {
        let before = words.len();
        words.retain(|word| word != "--json");
        let is_json = words.len() < before;
        let words = Words {
            command,
            words,
            is_json,
        };
        let answer = self.answer(&words).await;
        answer.unwrap_or_else(|error| (alloc::format!("{command}: {error}\n"), 1))
    }

    async fn answer(&self, words: &Words) -> Answer {
        let first = words.first();
        match words.command {
            "caps" => self.caps(words).await,
            "led" => self.led(first).await,
            "log" => self.log(words).await,
            "mem" => self.mem(words).await,
            "modules" => self.list_modules(words).await,
            "nslist" => self.nslist(words).await,
            "nslookup" => self.nslookup(first.unwrap_or_default()).await,
            "ps" => self.ps(words).await,
            "reboot" => self.end(true).await,
            "services" => self.services(words).await,
            "shutdown" => self.end(false).await,
            "start" => self.manage(first.unwrap_or_default(), true).await,
            "stop" => self.manage(first.unwrap_or_default(), false).await,
            "uptime" => machine::uptime(),
            _ => Err(Error::new(ErrorCode::FlounderInvalidState)),
        }
    }
}
