//! Services by name.

use super::{Answer, Teller, Words, said};
use crate::servers::{PATIENCE, PAUSE, is_lost};
use alloc::string::ToString;
use alloc::vec::Vec;
use aos::event::sleep_until;
use aos::listing::{Column, Listing};
use aos::names::{self, Found};
use aos::{Error, ErrorCode, time};

/// Services that one answer tells of.
const PAGE: u32 = 8;

const NAMES: &[Column] = &[
    Column::left("NAME", 24),
    Column::right("PID", 5),
    Column::right("SERVICE", 7),
    Column::left("PROPERTIES", 0),
];

impl Teller {
    /// The services that a query means.
    ///
    /// # Errors
    /// Those of the query, and of the call.
    pub async fn enumerate(&self, query: &str) -> Result<Vec<Found>, Error> {
        let query = names::query(query)?;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (query, from) = (&query, &after);
            let page = patiently(async move || {
                let client = names::connect().await?;
                client
                    .enumerate(query.clone(), Option::clone(from), PAGE)
                    .await
            });
            let (found, next) = page.await?;
            all.extend(found);
            after = next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    pub(super) async fn nslist(&self, words: &Words) -> Answer {
        let query = words.first().unwrap_or("**");
        if let Err(error) = query.parse::<names::engine::Query>() {
            return Ok((alloc::format!("nslist: {error}\n"), 64));
        }
        let mut list = Listing::new(NAMES, words.is_json);
        for found in self.enumerate(query).await? {
            list.row([
                found.name.to_string().into(),
                found.pid.0.into(),
                found.handle.into(),
                found.properties.to_string().into(),
            ]);
        }
        said(list.finish())
    }

    pub(super) async fn nslookup(&self, name: &str) -> Answer {
        let parsed = match name.parse::<names::engine::Name>() {
            Ok(parsed) => parsed,
            Err(error) => return Ok((alloc::format!("nslookup: {error}\n"), 64)),
        };
        let found = patiently(async || names::connect().await?.lookup(parsed.clone()).await).await;
        match found {
            Ok(found) => said(alloc::format!("{}\n", found.pid.0)),
            Err(error) if error.contains(ErrorCode::LibNameserviceUnknownName) => {
                let text = "no such service; `nslist` shows those there are";
                Ok((alloc::format!("nslookup: {name}: {text}\n"), 1))
            }
            Err(error) => Err(error),
        }
    }
}

/// Asks the name server, and again as long as it is not there: it may be about to start again.
async fn patiently<V>(ask: impl AsyncFn() -> Result<V, Error>) -> Result<V, Error> {
    let deadline = time::after(PATIENCE);
    loop {
        match ask().await {
            Err(error) if time::now() < deadline && is_gone(error) => {
                sleep_until(time::after(PAUSE)).await;
            }
            result => return result,
        }
    }
}

fn is_gone(error: Error) -> bool {
    is_lost(error) || error.contains(ErrorCode::LibNameserviceNotBound)
}
