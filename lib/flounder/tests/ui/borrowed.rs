//! What is borrowed is text or bytes; results are owned.

#[flounder::interface]
trait Files {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Error>;
    fn sum(&mut self, numbers: &[u64]) -> Result<u64, Error>;
    fn name(&mut self) -> Result<&str, Error>;
    fn call(&mut self, f: fn(u64)) -> Result<(), Error>;
}

fn main() {}
