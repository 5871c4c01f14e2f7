//! What a scheduling decision costs: a yield of who alone is ready, from the call to the run upcall's thread, among ever more dispatchers
//! that wait for their next period. Only RBED lets dispatchers wait so; round robin has one row without.

use aos::cap::CapRef;
use aos::cap::dispatcher::{
    Properties, RealTime, Setup, dispatcher_resume, dispatcher_set_properties, dispatcher_setup,
};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::DISPATCHER_FRAME_BYTES;
use aos::{Error, event, ram};
use core::time::Duration;

use crate::meter::{Meter, one};

/// Who waits, in each round.
const CROWDS: [usize; 3] = [0, 16, 256];
/// In ten seconds: they never run, as nothing stands where they would begin.
const LATER: Duration = Duration::from_secs(10);
/// Little enough that all of them are admitted.
const LITTLE: Duration = Duration::from_micros(100);

/// Runs all of them.
///
/// # Errors
/// The first that an operation returns.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "scheduler";
    let frame = ram::frame_alloc(DISPATCHER_FRAME_BYTES)?;
    let mut crowd = [None; 256];
    let mut waiting = 0;
    for wanted in CROWDS {
        while waiting < wanted {
            let Some(place) = crowd.get_mut(waiting) else {
                break;
            };
            let Some(dispatcher) = wait(frame)? else {
                return ram::mm_free(frame).map(|_| ());
            };
            *place = Some(dispatcher);
            waiting += 1;
        }
        meter.caps = waiting as u64;
        meter.measure(
            one("yield to oneself", 0),
            || {
                event::yield_now();
                Ok(())
            },
            || Ok(()),
        )?;
    }
    for dispatcher in crowd.into_iter().flatten() {
        ram::mm_free(dispatcher)?;
    }
    ram::mm_free(frame).map(|_| ())
}

/// A dispatcher that waits for its period; none where there are no periods.
fn wait(frame: CapRef) -> Result<Option<CapRef>, Error> {
    let dispatcher = ram::object_alloc(ObjType::Dispatcher, 0)?;
    let setup = Setup::own(frame);
    dispatcher_setup(dispatcher, &setup)?;
    let promise = Properties::Hard(RealTime {
        release: LATER,
        ..RealTime::new(LITTLE, LATER)
    });
    if dispatcher_set_properties(dispatcher, &promise).is_err() {
        ram::mm_free(dispatcher)?;
        return Ok(None);
    }
    dispatcher_resume(dispatcher)?;
    Ok(Some(dispatcher))
}
