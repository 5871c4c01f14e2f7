//! Clients, what the bytes typed to them become, and how much there may be of everything.

/// Whoever has opened the terminal; the service gives the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Client(pub u64);

/// How a client reads and writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Mode {
    /// Lines, echoed and edited; in output, a line feed gets its carriage return.
    #[default]
    Cooked,
    /// Bytes as they are, both ways, without echo.
    Raw,
}

/// How much there may be of everything. A terminal raises what is too small to work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Clients, those included that are gone but whose output is not.
    pub clients: usize,
    /// Reads of one client that wait.
    pub reads_of_client: usize,
    /// Bytes typed and not read, at least two.
    pub type_ahead: usize,
    /// The most bytes of output that are sent without another client's in between, at least eight.
    pub piece: usize,
    /// Bytes of output of one client that wait, at least a piece.
    pub output_of_client: usize,
    /// Bytes of output that wait beyond the first piece of each client.
    pub output_shared: usize,
    /// Bytes of echo that wait; what finds no room is not shown.
    pub echo: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 64,
            reads_of_client: 8,
            type_ahead: 1024,
            piece: 256,
            output_of_client: 4096,
            output_shared: 16 * 1024,
            echo: 1024,
        }
    }
}

impl Limits {
    pub(crate) fn raised(self) -> Self {
        let piece = self.piece.max(8);
        Self {
            type_ahead: self.type_ahead.max(2),
            piece,
            output_of_client: self.output_of_client.max(piece),
            ..self
        }
    }
}
