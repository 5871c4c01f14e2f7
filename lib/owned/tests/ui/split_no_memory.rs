#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::Dispatcher;
use model::Cap;

// ANCHOR: body
fn half_a_dispatcher(dispatcher: Cap<Dispatcher>) -> Result<(), Error> {
    dispatcher.split(512)?;
    Ok(())
}
// ANCHOR_END: body

fn main() {}
