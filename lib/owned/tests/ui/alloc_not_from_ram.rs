#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::Kernel;
use model::Cap;

// ANCHOR: body
fn a_kernel_of_my_own() -> Result<Cap<Kernel>, Error> {
    Cap::<Kernel>::alloc(0)
}
// ANCHOR_END: body

fn main() {}
