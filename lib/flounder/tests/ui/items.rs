//! An interface is a list of messages.

#[flounder::interface]
trait Mixed {
    const SIZE: usize;
    type Item;
    fn body(&mut self) -> Result<(), Error> {
        Ok(())
    }
    async fn slow(&mut self) -> Result<(), Error>;
    fn any<T>(&mut self, value: T) -> Result<(), Error>;
    fn bind(&mut self) -> Result<(), Error>;
}

#[flounder::interface]
trait Above: Clone {
    fn nothing(&mut self) -> Result<(), Error>;
}

#[flounder::interface]
trait Empty {}

#[flounder::interface(number = 3)]
trait Argument {
    fn nothing(&mut self) -> Result<(), Error>;
}

fn main() {}
