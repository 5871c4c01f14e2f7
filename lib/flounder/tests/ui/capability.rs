//! Capabilities travel beside the data.

#[flounder::interface]
trait Frames<C> {
    fn pairs(&mut self, frames: Vec<(C, u64)>) -> Result<(), Error>;
    fn maybe(&mut self) -> Result<Option<Vec<C>>, Error>;
}

#[flounder::interface]
trait Bound<C: Clone> {
    fn frame(&mut self) -> Result<C, Error>;
}

#[flounder::interface]
trait Two<C, D> {
    fn frame(&mut self) -> Result<C, Error>;
}

fn main() {}
