//! What the book is asked, and what it answers.

/// A domain's number.
pub type Pid = u32;

/// An exported service's number (Barrelfish: iref). 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceId(pub u32);

/// A connection's number. 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u32);

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// Who bound.
    Client,
    /// Who accepted.
    Server,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Services of one domain.
    pub services_of_one: usize,
    /// Services in all.
    pub services: usize,
    /// Connections that one domain has bound.
    pub connections_of_one: usize,
    /// Connections in all.
    pub connections: usize,
}

/// Why something was refused; what was given comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// There is no such service.
    NoService,
    /// The domain has no such connection, or not in this state.
    NoConnection,
    /// The domain has as many services or connections as it may.
    TooManyOfOne,
    /// There are as many services or connections as there may be.
    TooMany,
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The other side closed it.
    Closed,
    /// The other side's domain ended.
    Died,
    /// The service did not want it.
    Rejected,
}

/// What is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What<H> {
    /// To a service: this domain wants to be connected, and this is its end.
    Asked(Pid, H),
    /// To a client: it is connected, and this is the other end.
    Opened(H),
    /// It is over.
    Closed(Cause),
}

/// Something to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct News<H> {
    /// Of which connection.
    pub connection: ConnectionId,
    /// To which side of it.
    pub side: Side,
    /// Where that side listens.
    pub to: H,
    /// What.
    pub what: What<H>,
}
