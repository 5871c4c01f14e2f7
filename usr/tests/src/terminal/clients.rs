//! Programs that the shell starts.

use aos::stdio::{self, Mode};
use aos::{Args, Error, ErrorCode, print, println, thread};
use core::time::Duration;

/// Threads that print at once.
const THREADS: u64 = 4;

/// Plays a part.
pub fn play(part: &str, number: u64) -> Result<(), Error> {
    match part {
        "term-line" => {
            let line = stdio::read_line()?;
            println!("child: {line:?}");
            Ok(())
        }
        "term-lines" => {
            while let Some(line) = stdio::read_line()? {
                println!("child: {line:?}, {} bytes", line.len());
            }
            println!("child: end of input");
            Ok(())
        }
        "term-chars" => characters(number),
        "term-raw" => raw(number),
        "term-writer" => {
            write("", Args::own().pid().into(), number);
            Ok(())
        }
        "term-threads" => threads(number),
        "term-spin" => loop {
            thread::sleep(Duration::from_secs(1));
        },
        "term-panic" => {
            thread::sleep(Duration::from_millis(100));
            println!("child: to nobody");
            #[expect(clippy::panic, reason = "that is the test")]
            {
                panic!("in the dark")
            }
        }
        _ => Err(Error::new(ErrorCode::SpawnGetCmdlineArgs)),
    }
}

/// Reads so many characters, one by one, and prints them so.
fn characters(count: u64) -> Result<(), Error> {
    let mut typed = alloc::vec::Vec::new();
    for _ in 0..count {
        typed.extend(stdio::getchar()?);
    }
    print!("{} got ", Args::own().pid());
    for byte in typed {
        stdio::putchar(if byte == b'\n' { b'|' } else { byte });
    }
    stdio::putchar(b'\n');
    Ok(())
}

/// Reads so many bytes as they are typed.
fn raw(count: u64) -> Result<(), Error> {
    stdio::set_mode(Mode::Raw)?;
    print!("barreleye> ");
    stdio::flush()?;
    let mut typed = alloc::vec::Vec::new();
    while (typed.len() as u64) < count {
        let mut bytes = [0; 8];
        let read = stdio::read(&mut bytes)?;
        typed.extend(bytes.iter().take(read));
    }
    stdio::set_mode(Mode::Cooked)?;
    println!("child: {}", typed.escape_ascii());
    Ok(())
}

/// Lines of many lengths that begin and end with a mark.
fn write(name: &str, who: u64, count: u64) {
    for line in 0..count {
        let middle = "abcdefghijklmnopqrstuvwxyz0123456789".repeat((line % 6) as usize);
        println!("<{name}{who} {line:03} {middle} {name}{who}>");
    }
}

fn threads(count: u64) -> Result<(), Error> {
    let mut all = alloc::vec::Vec::new();
    for who in 0..THREADS {
        all.push(thread::spawn("writer", move || write("t", who, count))?);
    }
    for one in all {
        one.join()?;
    }
    Ok(())
}
