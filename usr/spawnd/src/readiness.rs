//! Whether services are ready: they are when they have registered their names.
//!
//! One task watches the name server, which comes and goes. What it hears waits here for the service, whose task it runs beside.

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use aos::names::engine::{Change, Event, Query, WatchOptions};
use aos::names::{Client, connect, name, query};
use aos::{Error, ErrorCode, event, time};
use core::cell::RefCell;
use core::convert::Infallible;
use core::time::Duration;

/// Before the name server is looked for again.
const AGAIN: Duration = Duration::from_millis(2);
/// Events in one answer.
const EVENTS: u32 = 32;

/// What was heard.
pub enum Heard {
    /// The name server is there.
    NameServer,
    /// This process has registered that name.
    Registered(String, u32),
}

/// What was heard and is not told yet: no more than names are watched, several times.
#[derive(Default)]
pub struct News(RefCell<Vec<Heard>>);

impl News {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// All of them.
    pub fn take(&self) -> Vec<Heard> {
        self.0.take()
    }

    fn add(&self, heard: Heard) {
        self.0.borrow_mut().push(heard);
    }
}

/// Watches these names for ever.
pub async fn watch(news: Rc<News>, names: Vec<String>) -> Infallible {
    loop {
        // It ends with an error only: there is no name server, or it is gone.
        let _ = follow(&news, &names).await;
        event::sleep_until(time::after(AGAIN)).await;
    }
}

async fn follow(news: &News, names: &[String]) -> Result<Infallible, Error> {
    let client = connect().await?;
    news.add(Heard::NameServer);
    for name in names {
        let asked: Query = query(name)?;
        client.watch(asked, WatchOptions::ALL).await?;
    }
    look(news, &client, names).await?;
    loop {
        let events = client.events(EVENTS).await?;
        if events.iter().any(|event| matches!(event, Event::Lost(_))) {
            look(news, &client, names).await?;
        }
        for event in events {
            if let Event::Seen {
                name,
                change: Change::Appeared,
                ..
            } = event
            {
                look(news, &client, &[name.to_string()]).await?;
            }
        }
    }
}

/// Who has registered these.
async fn look(news: &News, client: &Client, names: &[String]) -> Result<(), Error> {
    for text in names {
        match client.lookup(name(text)?).await {
            Ok(found) => news.add(Heard::Registered(text.clone(), found.pid.0)),
            Err(error) if error.contains(ErrorCode::LibNameserviceUnknownName) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
