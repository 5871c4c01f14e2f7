//! Interfaces as Rust traits: from `#[interface] trait Name { ... }` come the messages, a client and a server, for every
//! transport.
//!
//! ```
//! use errors::Error;
//! use flounder::{Limits, Server, Single, interface, loopback};
//!
//! /// Memory, by the page. `C` is the capability type.
//! #[interface]
//! pub trait Pages<C> {
//!     /// A frame of so many pages, and its address.
//!     fn alloc(&mut self, pages: u64) -> Result<(u64, C), Error>;
//!     /// Writes into the log. No answer.
//!     #[one_way]
//!     fn log(&mut self, text: &str);
//! }
//!
//! struct Memory;
//!
//! impl<C: From<u8>> Pages<C> for Memory {
//!     fn alloc(&mut self, pages: u64) -> Result<(u64, C), Error> {
//!         Ok((pages * 4096, C::from(7)))
//!     }
//!     fn log(&mut self, _text: &str) {}
//! }
//!
//! let (client, server) = loopback::<u8, Single, 9>(8);
//! let mut server = Server::new(server, Limits::default(), 1);
//! let mut service = PagesServer(Memory);
//! let mut use_it = Box::pin(async {
//!     let pages = PagesClient::<_, Single>::bind(client, Limits::default()).await?;
//!     pages.log("one page, please").await?;
//!     pages.alloc(1).await
//! });
//! let mut context = core::task::Context::from_waker(core::task::Waker::noop());
//! let result = loop {
//!     if let core::task::Poll::Ready(result) = use_it.as_mut().poll(&mut context) {
//!         break result;
//!     }
//!     server.poll(&mut service, 16)?;
//! };
//! assert_eq!(result, Ok((4096, 7)));
//! # Ok::<(), Error>(())
//! ```
//!
//! | Module | What |
//! |---|---|
//! | [`transport`] | what carries messages: [`Transport`] |
//! | [`loopback`](mod@loopback) | a transport within one domain |
//! | [`client`] | [`Connection`], [`Call`]: futures, many at once |
//! | [`connections`] | [`Connections`]: all clients of a service |
//! | [`server`] | [`Server`], [`Service`], answers that come later |
//! | [`timeout`] | [`within`]: a call with a deadline |
//! | [`limits`], [`lock`] | how much a connection may use; who shares it |
//! | [`header`], [`body`], [`codec`] | the messages |
//! | `budget`, `promise` | what all clients may hold together; that late answers come |
//! | `shared`, `calls`, `outbox`, `inbox`, `input` | the client's connection, what is under way, going out, coming in, and read |
//!
//! An interface has a name and a version; both are checked when a client binds. The version is a hash of the signatures as
//! they are written, so who changes what a type *contains* says `#[interface(version = 2)]`.
//!
//! Invariants: everything is bounded by [`Limits`]; nothing that comes in can panic or keep memory after its connection; each
//! call ends exactly once, in an answer or an error.
//!
//! Barrelfish counterpart: Flounder and its generated stubs. Differences: the language is Rust's own; a connection has many
//! calls under way; structured values; several capabilities in a message; the version is checked.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod body;
mod budget;
mod calls;
pub mod client;
pub mod codec;
pub mod connections;
pub mod header;
mod inbox;
mod input;
pub mod limits;
pub mod lock;
pub mod loopback;
mod outbox;
mod promise;
pub mod server;
mod shared;
pub mod timeout;
pub mod transport;

pub use body::{Body, Incoming};
pub use client::{Binding, Call, Connection};
pub use connections::Connections;
pub use errors;
pub use flounder_macros::interface;
pub use limits::Limits;
pub use lock::{Guarded, Lock, Single};
pub use loopback::{Loopback, loopback};
pub use promise::Promise;
pub use server::{Answer, Caller, Finished, Progress, Server, Service};
pub use timeout::within;
pub use transport::{Interest, Message, SendError, Transport};
