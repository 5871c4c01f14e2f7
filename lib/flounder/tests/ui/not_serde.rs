//! A parameter must be something that serde can write and read.
use errors::Error;

pub struct Plain(u64);

#[flounder::interface]
trait Store {
    fn put(&mut self, value: Plain) -> Result<(), Error>;
}

fn main() {}
