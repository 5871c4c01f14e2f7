//! The service does one message at a time.

#[flounder::interface]
trait Log {
    fn shared(&self) -> Result<(), Error>;
    fn owned(self) -> Result<(), Error>;
    fn none(number: u64) -> Result<(), Error>;
}

fn main() {}
