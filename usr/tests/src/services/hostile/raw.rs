//! A connection without the library's care: any words go over it.

use crate::world::sleep;
use aos::binding::bind;
use aos::cap::{AnyCap, CapRef};
use aos::channel::Channel;
use aos::flounder::{SendError, Transport};
use aos::{Error, event, names};
use core::time::Duration;

pub(super) const BIND: u64 = 1;
pub(super) const CALL: u64 = 2;
pub(super) const ONE_WAY: u64 = 3;
pub(super) const PART: u64 = 6;
pub(super) const ABORT: u64 = 7;
pub(super) const CANCEL: u64 = 8;
pub(super) const FRAGMENTED: u64 = 1 << 4;

pub(super) const fn header(kind: u64, method: u64, call: u64) -> u64 {
    kind | method << 5 | call << 19
}

/// An interface, as a client says it when it binds, and how it is called wrongly.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The service.
    pub name: &'static str,
    /// Hashes of the interface's name and of its signatures.
    pub interface: (u64, u64),
    /// Methods from 0 on that are called.
    pub methods: u64,
    /// One of them that takes long arguments.
    pub long_method: u64,
}

/// A connection that is used for anything.
pub struct Raw {
    pub(super) target: Target,
    channel: Channel,
    /// How many there were.
    pub connections: u32,
    /// Messages whose capability was refused.
    pub refused: u32,
}

pub(super) fn connect(name: &str) -> Result<Channel, Error> {
    let found = names::nameservice_lookup(name)?;
    event::block_on(bind(found.handle))
}

impl Raw {
    /// Not bound.
    pub fn new(target: Target) -> Result<Self, Error> {
        let channel = connect(target.name)?;
        Ok(Self {
            target,
            channel,
            connections: 1,
            refused: 0,
        })
    }

    /// Drops the connection, for another one.
    pub fn reconnect(&mut self) -> Result<(), Error> {
        self.channel = connect(self.target.name)?;
        self.connections += 1;
        Ok(())
    }

    /// Sends it, over a new connection if need be.
    pub fn send(&mut self, words: &[u64], cap: Option<CapRef>) -> Result<(), Error> {
        for _ in 0..100 {
            let copy = cap.map(AnyCap::copy_of).transpose()?;
            match self.channel.send(words, copy) {
                Ok(()) => return Ok(()),
                Err(SendError::Full(_)) => {
                    while let Ok(Some(_)) = self.channel.receive() {}
                    sleep(Duration::from_micros(20));
                }
                Err(SendError::Refused(_)) => self.refused += 1,
                Err(SendError::Lost(_)) => self.reconnect()?,
            }
        }
        // It is not listened to.
        self.reconnect()
    }

    /// Says which interface it wants.
    pub fn bind(&mut self) -> Result<(), Error> {
        let (name, version) = self.target.interface;
        self.send(&[header(BIND, 0, 0), name, version], None)
    }
}
