//! Connections between children: init is the broker, as long as there is no monitor.
//!
//! The book is the crate [`binding`]; here is how capabilities come and go. Each end that init keeps is a copy in a slot of its own. Who is to be told
//! something and has no room now is told later: what is untold stays in the book, at most two things for each connection.

use super::orders::{drop_endpoint, endpoint};
use super::{Children, INIT_PID};
use alloc::vec::Vec;
use aos::cap::CapRef;
use aos::error::is_transient;
use aos::initproto::{NAME_SERVER, Told, Values, Why, Wish};
use aos::kpi::syscall::SendFlags;
use aos::{Error, ErrorCode, lmp};
use binding::{Book, Cause, ConnectionId, Limits, Refused, ServiceId, Side, What};

/// How much there may be.
const LIMITS: Limits = Limits {
    services_of_one: 32,
    services: 256,
    connections_of_one: 64,
    connections: 1024,
};
/// Things told before init looks at something else.
const TOLD_AT_ONCE: usize = 16;

/// Who is connected to whom.
#[derive(Debug)]
pub struct Broker {
    book: Book<CapRef>,
    /// Who was told last: the next one has its turn, so that those who have no room keep nobody else from being told.
    place: (ConnectionId, Side),
}

impl Broker {
    /// Nobody to nobody.
    pub const fn new() -> Self {
        Self {
            book: Book::new(LIMITS, ServiceId(NAME_SERVER)),
            place: Book::<CapRef>::FIRST,
        }
    }

    /// A child is no more. Those it was connected to are told before its endpoints go.
    pub fn died(&mut self, pid: u32) {
        self.book.died(pid);
        self.tell();
    }

    /// Tells some of what is to be told.
    pub fn tell(&mut self) {
        for _ in 0..TOLD_AT_ONCE {
            let first = Book::<CapRef>::FIRST;
            let next = self.book.news(self.place);
            let Some(news) = next.or_else(|| self.book.news(first)) else {
                break;
            };
            self.place = (news.connection, news.side);
            let connection = news.connection.0;
            let (told, cap) = match news.what {
                What::Asked(pid, end) => (Told::Asked { connection, pid }, Some(end)),
                What::Opened(end) => (Told::Opened { connection }, Some(end)),
                What::Closed(cause) => {
                    let why = match cause {
                        Cause::Closed => Why::Closed,
                        Cause::Died => Why::Died,
                        Cause::Rejected => Why::Rejected,
                    };
                    (Told::Closed { connection, why }, None)
                }
            };
            match lmp::send(news.to, &told.encode(), cap, SendFlags(0)) {
                Err(error) if is_transient(error) => {}
                // Told, or it can never be.
                _ => self.book.told(news.connection, news.side),
            }
        }
        self.let_go();
    }

    fn let_go(&mut self) {
        let released: Vec<CapRef> = self.book.take_released();
        released.into_iter().for_each(drop_endpoint);
    }
}

impl Children {
    /// Does what a child has asked for about services and connections; a capability that came with it is in `received`.
    pub(super) fn broker(
        &mut self,
        asking: u32,
        wish: Wish,
        received: CapRef,
    ) -> Result<Values, Error> {
        let book = &mut self.broker.book;
        let with_end = |work: &mut dyn FnMut(CapRef) -> Result<u32, Refused>| {
            let end = endpoint(received)?;
            work(end).map_err(|refused| {
                drop_endpoint(end);
                error_of(refused)
            })
        };
        let result = match wish {
            Wish::Export { is_name_server } => {
                // Only who was started for that may be what all others rely on.
                let child = self.table.get(asking);
                let may = asking == INIT_PID || child.is_some_and(|child| child.is_service);
                match is_name_server {
                    false => with_end(&mut |end| book.export(asking, end).map(|id| id.0)),
                    true if may => with_end(&mut |end| {
                        let service = ServiceId(NAME_SERVER);
                        book.export_as(service, asking, end).map(|()| service.0)
                    }),
                    true => Err(Error::new(ErrorCode::MonInvalidIref)),
                }
            }
            Wish::Withdraw { service } => book
                .withdraw(asking, ServiceId(service))
                .map_err(error_of)
                .map(|()| 0),
            Wish::Bind { service } => {
                with_end(&mut |end| book.bind(asking, ServiceId(service), end).map(|id| id.0))
            }
            Wish::Accept { connection } => with_end(&mut |end| {
                let accepted = book.accept(asking, ConnectionId(connection), end);
                accepted.map(|()| connection)
            }),
            Wish::Reject { connection } => book
                .reject(asking, ConnectionId(connection))
                .map_err(error_of)
                .map(|()| 0),
            Wish::Close { connection } => {
                book.close(asking, ConnectionId(connection));
                Ok(0)
            }
            _ => Err(Error::new(ErrorCode::SysIllegalInvocation)),
        };
        self.broker.tell();
        result.map(|value| [u64::from(value), 0, 0, 0])
    }
}

fn error_of(refused: Refused) -> Error {
    Error::new(match refused {
        Refused::NoService => ErrorCode::MonInvalidIref,
        Refused::NoConnection => ErrorCode::MonNoConnection,
        Refused::TooManyOfOne => ErrorCode::MonTooManyConnections,
        Refused::TooMany => ErrorCode::MonIrefAlloc,
    })
}
