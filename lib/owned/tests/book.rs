//! The examples of the book's chapter about ownership: they compile, and they do what the chapter says.

#[cfg(test)]
mod model;

use errors::{Error, ErrorCode};
use kpi::cap::{Frame, Ram, VNodeAarch64L3};
use kpi::rights::PageFlags;
use model::{Cap, Mapped};
use owned::give;

// ANCHOR: retype
/// One page becomes a page table, the rest a frame: no byte is both.
fn table_and_frame(ram: Cap<Ram>) -> Result<(Cap<VNodeAarch64L3>, Cap<Frame>), Error> {
    let (first, rest) = ram.split(4096)?;
    Ok((first.retype()?, rest.retype()?))
}
// ANCHOR_END: retype

// ANCHOR: send
/// Gives a filled frame away. If the receiver's buffer is full, the frame is still here.
fn send_text(endpoint: u32, frame: Cap<Frame>, text: &[u8]) -> Result<(), Error> {
    let mut mapped: Mapped<Frame> = frame.map(PageFlags::READ_WRITE)?;
    for (place, byte) in mapped.view_mut().iter_mut().zip(text) {
        *place = *byte;
    }
    let mut frame = mapped.unmap()?;
    for _ in 0..3 {
        match give(endpoint, &[text.len() as u64], frame) {
            Ok(()) => return Ok(()),
            Err(refused) => frame = refused.cap,
        }
    }
    Err(Error::new(ErrorCode::LibLmpChanSend))
}
// ANCHOR_END: send

// ANCHOR: revoke
/// Lends a page to whoever listens, and takes it back.
fn lend(endpoint: u32, ram: &mut Cap<Ram>) -> Result<(), Error> {
    let page = ram.carve::<Frame>(0, 4096)?;
    give(endpoint, &[], page)?;
    ram.revoke()
}
// ANCHOR_END: revoke

// ANCHOR: stale
/// Compiles, and fails when it runs: a detached part does not stand in the way of the revoke.
fn stale(ram: &mut Cap<Ram>) -> Result<Frame, Error> {
    let part = ram.carve::<Frame>(0, 4096)?.detach();
    ram.revoke()?;
    part.identify()
}
// ANCHOR_END: stale

#[cfg(test)]
mod examples {
    use super::model::{Cap, Model};
    use super::{lend, send_text, stale, table_and_frame};
    use errors::ErrorCode;

    #[test]
    fn retype_splits_memory() {
        Model::start();
        let ram = Cap::alloc(3 * 4096).unwrap();
        let (table, frame) = table_and_frame(ram).unwrap();
        assert_eq!(frame.identify().unwrap().bytes, 2 * 4096);
        assert_eq!(
            table.identify().unwrap().base + 4096,
            frame.identify().unwrap().base
        );
    }

    #[test]
    fn send_gives_away_or_reaps() {
        let model = Model::start();
        send_text(1, Cap::alloc(4096).unwrap(), b"hello").unwrap();
        assert_eq!(model.received().len(), 1);
        model.endpoint_full(true);
        let refused = send_text(1, Cap::alloc(4096).unwrap(), b"hello").unwrap_err();
        assert_eq!(refused.code(), ErrorCode::LibLmpChanSend);
        assert_eq!(model.reap().freed, 1);
        assert_eq!(model.slots(), 0);
    }

    #[test]
    fn revoke_takes_back() {
        let model = Model::start();
        let mut ram = Cap::alloc(4096).unwrap();
        lend(1, &mut ram).unwrap();
        assert_eq!(model.capabilities(), 1);
        let refused = stale(&mut ram).unwrap_err();
        assert!(refused.contains(ErrorCode::SysCapNotFound));
    }
}
