//! Why the supervisor refuses, one fugu code for each reason.

use crate::plan::Service;
use alloc::vec::Vec;
use core::fmt;
use errors::ErrorCode;

/// Why a request or an event was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// There is no such service.
    UnknownService(Service),
    /// There are two of this number.
    ServiceExists(Service),
    /// There are as many services as there may be.
    TooManyServices,
    /// A service needs more others than one may.
    TooManyNeeds(Service),
    /// A service needs one that is not known.
    UnknownNeed {
        /// Who needs it.
        service: Service,
        /// What it needs.
        need: Service,
    },
    /// Each of these needs the next one, and the last one the first.
    Cycle(Vec<Service>),
    /// This run has ended, or never was.
    NotCurrent,
    /// The service is not stopped, or another one needs it.
    InUse(Service),
}

impl Error {
    /// The code that says the same to the client.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownService(_) => ErrorCode::SuperviseUnknownService,
            Self::ServiceExists(_) => ErrorCode::SuperviseServiceExists,
            Self::TooManyServices => ErrorCode::SuperviseTooManyServices,
            Self::TooManyNeeds(_) => ErrorCode::SuperviseTooManyNeeds,
            Self::UnknownNeed { .. } => ErrorCode::SuperviseUnknownNeed,
            Self::Cycle(_) => ErrorCode::SuperviseCycle,
            Self::NotCurrent => ErrorCode::SuperviseNotCurrent,
            Self::InUse(_) => ErrorCode::SuperviseInUse,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().text())?;
        match self {
            Self::UnknownService(service)
            | Self::ServiceExists(service)
            | Self::TooManyNeeds(service)
            | Self::InUse(service) => write!(f, " (service {})", service.0),
            Self::UnknownNeed { service, need } => {
                write!(f, " (service {} needs {})", service.0, need.0)
            }
            Self::Cycle(services) => {
                f.write_str(" (")?;
                for service in services {
                    write!(f, "{} needs ", service.0)?;
                }
                let first = services.first().map_or(0, |service| service.0);
                write!(f, "{first})")
            }
            Self::TooManyServices | Self::NotCurrent => Ok(()),
        }
    }
}

impl core::error::Error for Error {}
