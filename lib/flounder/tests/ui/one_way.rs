//! A one-way message has no result, and is not answered later.

#[flounder::interface]
trait Log {
    #[one_way]
    fn write(&mut self, text: &str) -> Result<(), Error>;
    #[one_way]
    #[later]
    fn flush(&mut self);
}

fn main() {}
