//! What a thread begins with and ends with: its closure and its value, at the start of its own stack. So making a thread allocates nothing.
//!
//! The packet belongs to the maker until the thread is ready; then to the thread until it ends; then, if it was not detached, to who
//! joins it or detaches it: the book gives the stack to one of them ([`Ended`](threads::Ended), [`Join`](threads::Join)).

use super::context::Context;
use super::scheduler;
use super::switch::first_frame;
use crate::thread::local;
use core::mem::MaybeUninit;

/// A thread's value.
#[repr(C)]
struct Output<T> {
    value: MaybeUninit<T>,
    /// Whether there is one.
    present: bool,
}

#[repr(C)]
struct Packet<F, T> {
    output: Output<T>,
    closure: MaybeUninit<F>,
}

/// Where a thread's value will be.
pub(crate) struct Place<T>(*mut Output<T>);

// SAFETY: the value is taken out by one thread, as the header says.
unsafe impl<T: Send> Send for Place<T> {}
// SAFETY: a shared reference gives no access.
unsafe impl<T: Send> Sync for Place<T> {}

/// Least part of a stack that is left for the thread.
const LEFT: u64 = 2;

/// Puts the closure on a stack that no thread uses, so that entering `context` calls it. `None` when the stack is too small.
pub(crate) fn prepare<F, T>(context: *mut Context, closure: F) -> Option<Place<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let bytes = size_of::<Packet<F, T>>() as u64;
    let alignment = align_of::<Packet<F, T>>().max(16) as u64;
    // SAFETY: nobody uses this context.
    let stack = unsafe { &(*context).stack };
    if bytes + alignment > (stack.end - stack.start) / LEFT {
        return None;
    }
    let at = (stack.end - bytes) & !(alignment - 1);
    let packet: *mut Packet<F, T> = core::ptr::with_exposed_provenance_mut(at as usize);
    // SAFETY: inside of the stack, aligned, and nobody uses the stack.
    unsafe {
        (&raw mut (*packet).closure).write(MaybeUninit::new(closure));
        (&raw mut (*packet).output.present).write(false);
        (*context).sp = first_frame(at, run::<F, T> as *const () as usize, at as usize);
        (*context).handler = None;
        (*context).exception = core::ptr::null_mut();
    }
    // SAFETY: as above.
    Some(Place(unsafe { &raw mut (*packet).output }))
}

/// Drops the closure of a thread that `prepare` prepared with these types, and that never came to be.
pub(crate) fn discard<F, T>(place: Place<T>) {
    let packet = place.0.cast::<Packet<F, T>>();
    // SAFETY: the output is the packet's first field; the packet is the maker's, and the closure is taken only here.
    drop(unsafe { (&raw const (*packet).closure).read().assume_init() });
}

/// A thread from its closure to its end.
extern "C" fn run<F, T>(packet: *mut Packet<F, T>) -> !
where
    F: FnOnce() -> T,
{
    // SAFETY: written by `prepare`, and taken only here.
    let closure = unsafe { (&raw const (*packet).closure).read().assume_init() };
    let value = closure();
    local::end();
    // SAFETY: the packet is the thread's until it ends.
    let place = Place(unsafe { &raw mut (*packet).output });
    place.put(value);
    loop {
        // Nobody takes the value of a detached thread. Between the question and the end nobody detaches it.
        let mut keep = false;
        scheduler::exit(|threads| {
            keep = threads.is_detached() && place.is_present();
            !keep
        });
        drop(place.take());
    }
}

impl<T> Place<T> {
    fn put(&self, value: T) {
        // SAFETY: the packet is the calling thread's.
        unsafe {
            (*self.0).value.write(value);
            (*self.0).present = true;
        }
    }

    fn is_present(&self) -> bool {
        // SAFETY: as in `take`.
        unsafe { (*self.0).present }
    }

    /// The value, if there is one. For the thread itself, or for who the book gave the stack to, before the stack is used again.
    pub(crate) fn take(&self) -> Option<T> {
        // SAFETY: the packet is the caller's (see above), so nobody else uses it; `present` says that the value is there.
        unsafe {
            core::mem::replace(&mut (*self.0).present, false)
                .then(|| (*self.0).value.assume_init_read())
        }
    }
}
