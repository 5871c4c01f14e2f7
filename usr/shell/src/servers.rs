//! Connections to servers: made when they are needed, and anew when the server was started again. The user is told of that.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use aos::binding::bind;
use aos::channel::Channel;
use aos::event::sleep_until;
use aos::flounder::Limits;
use aos::sync::Shared;
use aos::{Error, ErrorCode, names, time};
use core::cell::RefCell;
use core::future::Future;
use core::time::Duration;
use services::memory::MemoryClient;
use services::process::ProcessesClient;
use services::system::SystemClient;

/// The process server.
pub type Processes = ProcessesClient<Channel, Shared>;
/// The machine.
pub type Machine = SystemClient<Channel, Shared>;
/// The memory server.
pub type Memory = MemoryClient<Channel, Shared>;

/// How long one waits for a server that is not there: it may be about to start again.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The time between two tries.
pub const PAUSE: Duration = Duration::from_millis(20);

/// What a connection may use.
const LIMITS: Limits = Limits {
    message_bytes: 48 << 10,
    caps: 4,
    queued_bytes: 64 << 10,
    calls: 64,
};

/// What the user has to be told.
pub type News = Rc<RefCell<Vec<String>>>;

/// A connection to one server, and how it is made.
pub struct Server<C> {
    name: &'static str,
    title: &'static str,
    present: Rc<RefCell<Option<C>>>,
    news: News,
}

impl<C> Clone for Server<C> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            title: self.title,
            present: self.present.clone(),
            news: self.news.clone(),
        }
    }
}

/// A client of some interface.
pub trait Client: Clone + 'static {
    /// Binds to the service of that number.
    fn bind(service: u32) -> impl Future<Output = Result<Self, Error>>;

    /// Whether the connection has ended.
    fn is_lost(&self) -> bool;
}

macro_rules! clients {
    ($($client:ty)*) => {$(
        impl Client for $client {
            async fn bind(service: u32) -> Result<Self, Error> {
                Self::bind(bind(service).await?, LIMITS).await
            }

            fn is_lost(&self) -> bool {
                self.connection().lost().is_some()
            }
        }
    )*};
}

clients!(Processes Machine Memory);

impl<C: Client> Server<C> {
    /// The server of that name, called `title` to the user.
    pub fn new(name: &'static str, title: &'static str, news: &News) -> Self {
        Self {
            name,
            title,
            present: Rc::default(),
            news: news.clone(),
        }
    }

    /// The connection.
    ///
    /// # Errors
    /// Why there is none, after some time.
    pub async fn connect(&self) -> Result<C, Error> {
        let present = self.present.borrow().clone();
        let was_there = present.is_some();
        if let Some(client) = present.filter(|client| !client.is_lost()) {
            return Ok(client);
        }
        let deadline = time::after(PATIENCE);
        loop {
            match self.try_to_connect().await {
                Ok(client) => {
                    // Another task may have been faster: one tells it.
                    let is_news = self.present.borrow().as_ref().is_none_or(Client::is_lost);
                    if was_there && is_news {
                        let text = alloc::format!("{} was started again", self.title);
                        self.news.borrow_mut().push(text);
                    }
                    *self.present.borrow_mut() = Some(client.clone());
                    return Ok(client);
                }
                Err(error) if time::now() >= deadline => return Err(error),
                Err(_) => sleep_until(time::after(PAUSE)).await,
            }
        }
    }

    async fn try_to_connect(&self) -> Result<C, Error> {
        let name = names::name(self.name)?;
        let found = names::connect().await?.lookup(name).await?;
        C::bind(found.handle).await
    }

    /// Makes a call, and once more if the connection was lost in it.
    ///
    /// # Errors
    /// The call's; as [`connect`](Self::connect).
    pub async fn ask<V>(&self, make: impl AsyncFn(&C) -> Result<V, Error>) -> Result<V, Error> {
        let client = self.connect().await?;
        match make(&client).await {
            Err(error) if is_lost(error) => make(&self.connect().await?).await,
            result => result,
        }
    }
}

/// Whether an error says that the server is gone.
pub fn is_lost(error: Error) -> bool {
    error.contains(ErrorCode::FlounderConnectionLost)
}
