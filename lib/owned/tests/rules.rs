//! What the values promise, on a model of a capability space.

#[cfg(test)]
mod model;

#[cfg(test)]
mod rules {
    use super::model::{BYTES, Cap, Model, ROOT};
    use errors::{Error, ErrorCode};
    use kpi::cap::{Dispatcher, Frame, ObjType, Ram, VNodeAarch64L3};
    use kpi::rights::{CapRights, PageFlags};
    use owned::{Space, give};

    const PAGE: u64 = 4096;

    #[test]
    fn drop_waits_for_the_reaper() {
        let model = Model::start();
        let frame = Cap::<Frame>::alloc(3 * PAGE).unwrap();
        assert_eq!(frame.identify().unwrap().bytes, 3 * PAGE);
        drop(frame);
        assert_eq!((model.capabilities(), model.books()), (1, (0, 1)));
        assert_eq!(model.reap().freed, 1);
        assert_eq!((model.capabilities(), model.slots()), (0, 0));
        assert_eq!(model.free_bytes(), BYTES);
    }

    #[test]
    fn delete_at_once() {
        let model = Model::start();
        let frame = Cap::<Frame>::alloc(PAGE).unwrap();
        let copy = frame.copy().unwrap().detach();
        frame.delete().unwrap();
        assert_eq!((model.capabilities(), model.books()), (1, (1, 0)));
        assert_eq!(copy.identify().unwrap().bytes, PAGE);
    }

    #[test]
    fn a_refused_delete_gives_it_back() {
        let model = Model::start();
        let frame = Cap::<Frame>::alloc(PAGE).unwrap();
        let slot = frame.slot();
        model.lock(slot, true);
        let refused = frame.delete().unwrap_err();
        assert!(refused.error.contains(ErrorCode::SysCapLocked));
        drop(refused);
        let reaped = model.reap();
        assert_eq!((reaped.freed, reaped.refused), (0, 1));
        assert!(reaped.error.is_some());
        // The small reaping leaves it alone, the large one tries again.
        assert_eq!(owned::reap(&model, 9, owned::Which::New).refused, 0);
        model.lock(slot, false);
        assert_eq!(model.reap().freed, 1);
        assert_eq!(model.free_bytes(), BYTES);
    }

    #[test]
    fn one_owner_a_slot() {
        let model = Model::start();
        let frame = Cap::<Frame>::alloc(PAGE).unwrap();
        let refused = |result: Result<Cap<Ram>, Error>| result.unwrap_err().code();
        assert_eq!(refused(Cap::adopt(frame.slot())), ErrorCode::LibCapType);
        let twice = Cap::<Frame>::adopt(frame.slot()).unwrap_err();
        assert_eq!(twice.code(), ErrorCode::LibCapOwned);
        let slot = frame.into_slot();
        assert_eq!(model.books(), (0, 0));
        let again = Cap::<Frame>::adopt(slot).unwrap();
        assert_eq!(model.books(), (1, 0));
        again.delete().unwrap();
        assert_eq!(refused(Cap::adopt(slot)), ErrorCode::SysCapNotFound);
    }

    #[test]
    fn retype_takes_all() {
        let model = Model::start();
        let ram = Cap::<Ram>::alloc(PAGE).unwrap();
        let table: Cap<VNodeAarch64L3> = ram.retype().unwrap();
        assert_eq!(model.capabilities(), 1);
        drop(table);
        model.reap();
        assert_eq!(model.free_bytes(), BYTES);

        let ram = Cap::<Ram>::alloc(2 * PAGE).unwrap();
        let refused = ram.retype::<Dispatcher>().unwrap_err();
        assert!(refused.error.contains(ErrorCode::SysInvalidSize));
        let (one, two) = refused.cap.split(PAGE).unwrap();
        let dispatcher = one.retype::<Dispatcher>().unwrap();
        assert_eq!(model.capabilities(), 2);
        dispatcher.delete().unwrap();
        two.delete().unwrap();
        assert_eq!((model.free_bytes(), model.slots()), (BYTES, 0));
    }

    #[test]
    fn a_refused_split_changes_nothing() {
        let model = Model::start();
        let ram = Cap::<Ram>::alloc(4 * PAGE).unwrap();
        for at in [0, 100, 4 * PAGE, 5 * PAGE] {
            let free = model.free_bytes();
            assert!(ram.copy().unwrap().detach().split(at).is_err());
            model.reap();
            assert_eq!((model.capabilities(), model.free_bytes()), (1, free));
        }
        let kept = ram.carve::<Frame>(2 * PAGE, PAGE).unwrap().detach();
        let refused = ram.split(PAGE).unwrap_err();
        assert!(refused.error.contains(ErrorCode::SysRevokeFirst));
        drop(kept);
        // What was dropped is reaped when it is in the way.
        let (one, two) = refused.cap.split(PAGE).unwrap();
        assert_eq!(two.identify().unwrap().bytes, 3 * PAGE);
        drop((one, two));
        model.reap();
        assert_eq!(model.free_bytes(), BYTES);
    }

    #[test]
    fn a_part_can_be_cut_again_when_it_was_dropped() {
        Model::start();
        let ram = Cap::<Ram>::alloc(4 * PAGE).unwrap();
        let one = ram.carve::<Frame>(PAGE, PAGE).unwrap();
        let refused = ram.carve::<Ram>(0, 2 * PAGE).unwrap_err();
        assert!(refused.contains(ErrorCode::SysRevokeFirst));
        drop(one);
        ram.carve::<Ram>(0, 2 * PAGE).unwrap();
    }

    #[test]
    fn rights_narrow() {
        Model::start();
        let frame = Cap::<Frame>::alloc(PAGE).unwrap();
        let narrow = frame.mint(CapRights::READ).unwrap();
        let wide = narrow.copy().unwrap();
        let rights = Model.identify(wide.slot()).unwrap().rights();
        assert_eq!(rights, CapRights::READ);
    }

    #[test]
    fn revoke_reaches_what_was_given_away() {
        let model = Model::start();
        let mut ram = Cap::<Ram>::alloc(4 * PAGE).unwrap();
        give(9, &[1, 2], ram.carve::<Frame>(0, PAGE).unwrap()).unwrap();
        let detached = ram.carve::<Frame>(PAGE, PAGE).unwrap().detach();
        ram.revoke().unwrap();
        let gone = detached.identify().unwrap_err();
        assert!(gone.contains(ErrorCode::SysCapNotFound));
        drop(detached);
        assert_eq!(model.reap().freed, 1);
        assert_eq!(model.slots(), 1);
        assert_eq!(ram.identify().unwrap().bytes, 4 * PAGE);
    }

    #[test]
    fn giving_takes_the_capability_or_returns_it() {
        let model = Model::start();
        let frame = Cap::<Frame>::alloc(PAGE).unwrap();
        model.endpoint_full(true);
        let refused = give(9, &[7], frame).unwrap_err();
        assert!(refused.error.contains(ErrorCode::SysLmpBufOverflow));
        assert!(refused.cap.identify().is_ok());
        model.endpoint_full(false);
        give(9, &[7], refused.cap).unwrap();
        let received = model.received();
        assert_eq!(received.len(), 1);
        assert!(received.iter().all(|(words, cap)| {
            words == &[7] && cap.objtype() == ObjType::Frame && cap.size() == PAGE
        }));
        assert_eq!((model.slots(), model.books()), (0, (0, 0)));
        assert_eq!(model.free_bytes(), BYTES - PAGE, "its memory went along");
    }

    #[test]
    fn access_while_mapped() {
        let model = Model::start();
        let mut mapped = Cap::<Frame>::mapped(PAGE, PageFlags::READ_WRITE).unwrap();
        mapped.view_mut()[5] = 7;
        assert_eq!((mapped.view()[5], model.mappings()), (7, 1));
        let frame = mapped.unmap().unwrap();
        assert_eq!(model.mappings(), 0);
        let mapped = frame.map(PageFlags::READ).unwrap();
        let slot = mapped.cap().slot();
        drop(mapped);
        assert!(model.holds(slot));
        assert_eq!(model.mappings(), 1, "until the reaper comes");
        model.reap();
        assert_eq!((model.mappings(), model.slots()), (0, 0));
        assert_eq!(model.free_bytes(), BYTES);
    }

    #[test]
    fn a_mapping_that_fails_gives_the_frame_back() {
        let model = Model::start();
        let frame = Cap::<Frame>::alloc(PAGE).unwrap();
        let refused = owned::Mapped::part(frame, 2 * PAGE, PageFlags::READ).unwrap_err();
        assert_eq!(refused.cap.identify().unwrap().bytes, PAGE);
        assert_eq!(model.mappings(), 0);
    }

    #[test]
    fn all_memory_and_no_more() {
        let model = Model::start();
        assert!(Cap::<Frame>::alloc(2 * BYTES).is_err());
        assert_eq!(model.slots(), 0);
        let root = Cap::<Ram>::adopt(ROOT).unwrap();
        assert!(root.carve::<Frame>(BYTES, PAGE).is_err());
        assert_eq!(root.into_slot(), ROOT);
    }
}
