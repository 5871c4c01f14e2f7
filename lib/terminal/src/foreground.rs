//! Whom typed bytes are for. Who has the foreground may lend it to another client, which may lend it on; when a borrower gives it back or is gone,
//! the one before it has it again, and a lender may take it back from all that have it by his loan.
//!
//! Each client is in this chain at most once, so it is never longer than there are clients.

use crate::client::Client;
use crate::error::Error;
use alloc::vec::Vec;

/// The chain of lenders; the last one has the foreground.
#[derive(Debug, Default)]
pub(crate) struct Foreground(Vec<Client>);

impl Foreground {
    /// Who has it.
    pub(crate) fn holder(&self) -> Option<Client> {
        self.0.last().copied()
    }

    /// Who has it, then who lent it, and so on.
    pub(crate) fn chain(&self) -> impl Iterator<Item = Client> {
        self.0.iter().rev().copied()
    }

    fn place(&self, client: Client) -> Option<usize> {
        self.0.iter().position(|one| *one == client)
    }

    fn hold(&self, client: Client) -> Result<(), Error> {
        match self.holder() == Some(client) {
            true => Ok(()),
            false => Err(Error::NotForeground),
        }
    }

    /// Takes it if nobody has it.
    pub(crate) fn claim(&mut self, client: Client) -> Result<(), Error> {
        match self.holder() {
            None => self.0.push(client),
            Some(holder) if holder == client => return Err(Error::HasForeground),
            Some(_) => return Err(Error::NotForeground),
        }
        Ok(())
    }

    /// Lends it.
    pub(crate) fn lend(&mut self, from: Client, to: Client) -> Result<(), Error> {
        self.hold(from)?;
        match self.place(to) {
            Some(_) => Err(Error::HasForeground),
            None => {
                self.0.push(to);
                Ok(())
            }
        }
    }

    /// Gives it back to who lent it, or to nobody.
    pub(crate) fn give_back(&mut self, client: Client) -> Result<(), Error> {
        self.hold(client)?;
        self.0.pop();
        Ok(())
    }

    /// Ends every loan that comes from this client.
    pub(crate) fn take_back(&mut self, client: Client) -> Result<(), Error> {
        let place = self.place(client).ok_or(Error::NotLent)?;
        self.0.truncate(place.saturating_add(1));
        Ok(())
    }

    /// The client is gone.
    pub(crate) fn remove(&mut self, client: Client) {
        self.0.retain(|one| *one != client);
    }
}
