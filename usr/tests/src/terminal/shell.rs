//! The shell: a line names what is to be shown.

use aos::proc::{Child, Command, End, passed};
use aos::stdio::{self, ask};
use aos::{Error, ErrorCode, print, println, thread, time};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

/// How often Ctrl-C was typed.
static INTERRUPTS: AtomicU32 = AtomicU32::new(0);

/// The services under it.
struct Services {
    gicd: Child,
    serial: Child,
}

impl Services {
    fn start() -> Result<Self, Error> {
        Ok(Self {
            gicd: Self::program("gicd", 0)?.spawn()?,
            serial: Self::serial()?,
        })
    }

    fn program(name: &str, cap: u8) -> Result<Command<'static>, Error> {
        let cap = passed(cap).ok_or(Error::new(ErrorCode::SysCapNotFound))?;
        Ok(Command::new(name).env_clear().pass(cap))
    }

    fn serial() -> Result<Child, Error> {
        Self::program("serial", 1)?.spawn()
    }

    fn kill(&mut self) -> Result<(), Error> {
        self.serial.kill()
    }

    /// Kills it, and starts it again.
    fn restart(&mut self) -> Result<(), Error> {
        self.kill()?;
        self.revive()
    }

    fn revive(&mut self) -> Result<(), Error> {
        let old = core::mem::replace(&mut self.serial, Self::serial()?);
        old.wait()?;
        // Nobody has the foreground of a new one.
        ask(|terminal| terminal.claim())
    }
}

/// Serves until it is told to end.
pub fn serve() -> Result<(), Error> {
    let mut services = Services::start()?;
    ask(|terminal| terminal.claim())?;
    thread::spawn("interrupts", || {
        loop {
            match ask(|terminal| terminal.interrupted()) {
                Ok(_) => {
                    INTERRUPTS.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    })?
    .detach();
    loop {
        print!("barreleye> ");
        let Some(line) = stdio::read_line()? else {
            println!("shell: end of input");
            continue;
        };
        if line == "shutdown" {
            services.serial.kill()?;
            services.gicd.kill()?;
            return Ok(());
        }
        if let Err(error) = obey(&mut services, &line) {
            println!("shell: {error}");
        }
    }
}

fn obey(services: &mut Services, line: &str) -> Result<(), Error> {
    let mut words = line.split(' ');
    let command = words.next().unwrap_or_default();
    let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    match command {
        "" => Ok(()),
        "line" | "chars" | "lines" | "raw" | "threads" => run(command, number),
        "ahead" => {
            thread::sleep(Duration::from_millis(300));
            run("line", 0)
        }
        "two" => two(number),
        "dies" => dies(),
        "ctrlc" => control_c(),
        "alone" => writers(1, number, || {
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(4));
                services.restart()?;
            }
            Ok(())
        }),
        "writers" => writers(4, number, || Ok(())),
        "restart" => writers(4, number, || {
            thread::sleep(Duration::from_millis(20));
            services.restart()
        }),
        "dead" => dead(services),
        "lines-after-restart" => {
            // A child that reads while the terminal is started again.
            let child = start("line", 0)?;
            lend(&child)?;
            thread::sleep(Duration::from_millis(20));
            services.restart()?;
            lend(&child)?;
            println!("shell: type for the child");
            ready()?;
            end(child)
        }
        other => {
            println!("shell: {other} is no command");
            Ok(())
        }
    }
}

/// What is typed next is typed now.
fn ready() -> Result<(), Error> {
    print!("barreleye> ");
    stdio::flush()
}

fn start(part: &str, number: u64) -> Result<Child, Error> {
    let part = alloc::format!("term-{part}");
    let number = alloc::format!("{number}");
    Command::new("tests")
        .args(["--child", &part, &number])
        .spawn()
}

fn lend(child: &Child) -> Result<(), Error> {
    ask(|terminal| terminal.lend(child.pid()))
}

/// Waits for the end of who has the foreground, and has it again.
fn end(child: Child) -> Result<(), Error> {
    let end = child.wait()?;
    ask(|terminal| terminal.take_back())?;
    if end != End::Exited(crate::parts::DONE) {
        println!("shell: it {end}");
    }
    Ok(())
}

fn run(part: &str, number: u64) -> Result<(), Error> {
    let child = start(part, number)?;
    lend(&child)?;
    end(child)
}

/// Two wait for characters at once; each gets those that are typed while it has the foreground.
fn two(count: u64) -> Result<(), Error> {
    let (first, second) = (start("chars", count)?, start("chars", count)?);
    // Both wait.
    thread::sleep(Duration::from_millis(50));
    println!("shell: {} is first", first.pid());
    lend(&first)?;
    end(first)?;
    println!("shell: {} is second", second.pid());
    lend(&second)?;
    end(second)
}

/// One is killed while it reads.
fn dies() -> Result<(), Error> {
    let child = start("lines", 0)?;
    lend(&child)?;
    thread::sleep(Duration::from_millis(50));
    child.kill()?;
    println!("shell: it {}", child.wait()?);
    // Its death gives the foreground back.
    ready()?;
    let line = stdio::read_line()?;
    println!("shell: {line:?}");
    Ok(())
}

fn control_c() -> Result<(), Error> {
    let before = INTERRUPTS.load(Ordering::Relaxed);
    let child = start("spin", 0)?;
    lend(&child)?;
    println!("shell: interrupt it");
    ready()?;
    while INTERRUPTS.load(Ordering::Relaxed) == before {
        thread::sleep(Duration::from_millis(1));
    }
    child.kill()?;
    ask(|terminal| terminal.take_back())?;
    println!("shell: it {}", child.wait()?);
    Ok(())
}

/// So many write at once, and something happens meanwhile.
fn writers(
    count: u64,
    lines: u64,
    meanwhile: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let begun = time::now();
    let mut children = alloc::vec::Vec::new();
    for _ in 0..count {
        children.push(start("writer", lines)?);
    }
    meanwhile()?;
    for child in children {
        child.wait()?;
    }
    let took = time::micros(time::now() - begun) / 1000;
    println!("shell: {took} ms");
    Ok(())
}

/// There is no terminal, and a program prints and panics.
fn dead(services: &mut Services) -> Result<(), Error> {
    let child = start("panic", 0)?;
    services.kill()?;
    let end = child.wait()?;
    services.revive()?;
    println!("shell: it {end}");
    Ok(())
}
