//! Every call can fail.

#[flounder::interface]
trait Clock {
    fn now(&mut self) -> u64;
    fn later(&mut self) -> Result<u64, String>;
    fn set(&mut self, time: u64);
    fn ok(&mut self) -> Result<u64, Error>;
}

fn main() {}
