//! Why the engine refuses, one fugu code for each reason.

use core::fmt;
use errors::ErrorCode;

/// Why a request was refused, or a lookup that waited ended without an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Error {
    /// No service has this name.
    UnknownName,
    /// The client has not joined.
    UnknownClient,
    /// A client of this number has joined already.
    ClientExists,
    /// As many clients have joined as there is room for.
    TooManyClients,
    /// Another service has this name.
    NameTaken,
    /// The name belongs to another client, and this one is no administrator.
    NotOwner,
    /// The client has as many names as it may.
    TooManyNames,
    /// All clients together have as many names as there is room for.
    Full,
    /// Name and properties are more bytes than a record may have.
    RecordTooLarge,
    /// The client watches and waits for as much as it may.
    TooManyWatches,
    /// All clients together watch and wait for as much as there is room for.
    WatchesFull,
    /// The client has no such watch.
    NoWatch,
    /// The client has no such lookup that waits; it may have been answered.
    NoLookup,
    /// The service did not come in time.
    TimedOut,
}

impl Error {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::UnknownName,
        Self::UnknownClient,
        Self::ClientExists,
        Self::TooManyClients,
        Self::NameTaken,
        Self::NotOwner,
        Self::TooManyNames,
        Self::Full,
        Self::RecordTooLarge,
        Self::TooManyWatches,
        Self::WatchesFull,
        Self::NoWatch,
        Self::NoLookup,
        Self::TimedOut,
    ];

    /// The code that says the same to the client.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::UnknownName => ErrorCode::LibNameserviceUnknownName,
            Self::UnknownClient => ErrorCode::NameserviceUnknownClient,
            Self::ClientExists => ErrorCode::NameserviceClientExists,
            Self::TooManyClients => ErrorCode::NameserviceTooManyClients,
            Self::NameTaken => ErrorCode::NameserviceNameTaken,
            Self::NotOwner => ErrorCode::NameserviceNotOwner,
            Self::TooManyNames => ErrorCode::NameserviceTooManyNames,
            Self::Full => ErrorCode::NameserviceFull,
            Self::RecordTooLarge => ErrorCode::NameserviceRecordTooLarge,
            Self::TooManyWatches => ErrorCode::NameserviceTooManyWatches,
            Self::WatchesFull => ErrorCode::OctMaxSubscriptions,
            Self::NoWatch => ErrorCode::OctNoSubscription,
            Self::NoLookup => ErrorCode::NameserviceNoLookup,
            Self::TimedOut => ErrorCode::NameserviceTimedOut,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().text())
    }
}

impl core::error::Error for Error {}

/// The codes of texts that are not what they should be.
pub mod codes {
    use errors::ErrorCode;

    /// For a [`Name`](crate::Name) or [`Prefix`](crate::Prefix).
    pub const NAME: ErrorCode = ErrorCode::LibNameserviceInvalidName;
    /// For a [`Query`](crate::Query).
    pub const QUERY: ErrorCode = ErrorCode::OctParserFail;
    /// For [`Properties`](crate::Properties).
    pub const PROPERTIES: ErrorCode = ErrorCode::NameserviceInvalidProperties;
}
