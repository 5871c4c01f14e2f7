//! The machine: boot image, log, memory, light, its end.

use super::{Answer, Teller, Words, said, usage};
use alloc::string::String;
use alloc::vec::Vec;
use aos::listing::{Column, Listing};
use aos::{Error, proc, time};
use services::system::ModuleAbout;

/// Lines of the log without an argument.
const LOG_LINES: u32 = 50;

const MODULES: &[Column] = &[
    Column::left("NAME", 16),
    Column::right("BYTES", 9),
    Column::left("ARGS", 0),
];
/// For people there are no titles.
const LOG: &[Column] = &[Column::right("MICROS", 13), Column::left("TEXT", 0)];
/// An object of all that `mem` says.
const MEMORY: &[Column] = &[
    Column::right("TOTAL", 0),
    Column::right("USED", 0),
    Column::right("FREE", 0),
    Column::right("LARGEST", 0),
    Column::right("SERVER_TOTAL", 0),
    Column::right("SERVER_USED", 0),
    Column::right("SERVER_FREE", 0),
    Column::right("CLIENTS", 0),
    Column::right("SHELL_LIMIT", 0),
    Column::right("SHELL_USED", 0),
];

impl Teller {
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

    pub(super) async fn list_modules(&self, words: &Words) -> Answer {
        let mut list = Listing::new(MODULES, words.is_json);
        for ModuleAbout { name, bytes, args } in self.modules().await? {
            list.row([name.into(), bytes.into(), args.into()]);
        }
        said(list.finish())
    }

    pub(super) async fn log(&self, words: &Words) -> Answer {
        let most = match words.first().map(str::parse) {
            None => LOG_LINES,
            Some(Ok(most)) => most,
            Some(Err(_)) => return usage(words.command),
        };
        let lines = self
            .machine
            .ask(async |client| client.log(most).await)
            .await?;
        let mut list = Listing::bare(LOG, words.is_json);
        for line in lines {
            let when = match words.is_json {
                true => line.micros.into(),
                false => seconds(line.micros).into(),
            };
            list.row([when, line.text.into()]);
        }
        said(list.finish())
    }

    pub(super) async fn mem(&self, words: &Words) -> Answer {
        let machine = proc::machine_memory()?;
        let (total, free, clients) = self.memory.ask(async |client| client.total().await).await?;
        let account = self
            .memory
            .ask(async |client| client.account().await)
            .await?;
        let (limit, own, _, _) = account;
        let used = machine.total.saturating_sub(machine.free);
        let server_used = total.saturating_sub(free);
        if words.is_json {
            let mut list = Listing::bare(MEMORY, true);
            let values = [
                machine.total,
                used,
                machine.free,
                machine.largest,
                total,
                server_used,
                free,
                clients,
                limit,
                own,
            ];
            list.row(values.map(Into::into));
            return said(list.finish());
        }
        let proc::MachineMemory {
            total: all,
            free: left,
            largest,
        } = machine;
        said(alloc::format!(
            "total={all} used={used} free={left} largest={largest}\n\
             server: total={total} used={server_used} free={free} clients={clients}\n\
             shell: limit={limit} used={own}\n"
        ))
    }

    pub(super) async fn led(&self, state: Option<&str>) -> Answer {
        let wish = match state {
            None => None,
            Some("on") => Some(true),
            Some("off") => Some(false),
            Some(_) => return usage("led"),
        };
        let light = self
            .machine
            .ask(async |client| client.light(wish).await)
            .await?;
        let text = match light {
            Some(true) => "led: on\n",
            Some(false) => "led: off\n",
            None => {
                let text =
                    "led: the boot menu names no light of this board (spawnd led=BASE:LINE)\n";
                return Ok((text.into(), 1));
            }
        };
        said(text.into())
    }

    pub(super) async fn end(&self, resets: bool) -> Answer {
        self.machine
            .ask(async |client| client.end(resets).await)
            .await?;
        said(String::new())
    }
}

/// How long the machine runs.
pub(super) fn uptime() -> Answer {
    let up = seconds(time::micros(time::now()));
    said(alloc::format!("up {up} s\n"))
}

fn seconds(micros: u64) -> String {
    alloc::format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
