//! Shows what a program can do with its own page faults, by two pagers of [`aos_pagers`].
//!
//! `pages squeeze [PAGES ROOM]` uses a region of so many pages (1,000) with memory for fewer (100); `pages count` searches in a sorted array and
//! counts how often it comes to which page. `pages` does both.
#![no_std]
#![no_main]

mod count;
mod squeeze;

use aos::prelude::*;

#[aos::main]
fn main(args: Args) -> Result<Status, Error> {
    let mut words = args.words();
    let (what, numbers) = (words.next(), [words.next(), words.next()]);
    let numbers = numbers.map(|word| word.map(str::parse::<u16>));
    match (what, numbers) {
        (None, _) => {
            squeeze::show(squeeze::PAGES, squeeze::ROOM)?;
            count::show()?;
        }
        (Some("squeeze"), [None, None]) => squeeze::show(squeeze::PAGES, squeeze::ROOM)?,
        (Some("squeeze"), [Some(Ok(pages)), Some(Ok(room))]) if 0 < room && room <= pages => {
            squeeze::show(pages.into(), room.into())?;
        }
        (Some("count"), [None, None]) => count::show()?,
        _ => {
            println!(
                "usage: pages [squeeze [PAGES ROOM] | count], PAGES up to 65535, ROOM from 1 to PAGES"
            );
            return Ok(Status(64));
        }
    }
    Ok(Status::SUCCESS)
}
