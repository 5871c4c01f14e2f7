//! What a channel promises, one promise at a time.
#![cfg(test)]

use core::cell::Cell;
use errors::ErrorCode;
use ump::{
    Assembly, Channel, Fixed, Growing, Interest, LINE_BYTES, Line, Outgoing, SLOT_BYTES, SendError,
    Side, Slot, slots,
};

/// Memory for so many lines each way.
fn memory(lines: usize) -> Vec<Slot> {
    (0..2 * (lines + 1)).map(|_| Slot::default()).collect()
}

fn quiet(memory: &[Slot], side: Side) -> Channel<'_, fn()> {
    Channel::new(memory, side, (|| {}) as fn()).unwrap()
}

fn line(number: u64) -> Line {
    Line::of_words(&[number], None).unwrap()
}

#[test]
fn a_line_keeps_its_words_bytes_and_token() {
    for count in 0..=7 {
        let words: Vec<u64> = (1..=count)
            .map(|word| word * 0x0101_0101_0101_0101)
            .collect();
        let line = Line::of_words(&words, Some(u32::MAX)).unwrap();
        assert_eq!(line.words(), Some(&words[..]));
        assert_eq!(line.token(), Some(u32::MAX));
    }
    for count in 0..=LINE_BYTES {
        let bytes: Vec<u8> = (1..=count as u8).collect();
        let line = Line::of_bytes(&bytes, None).unwrap();
        let (all, length) = line.bytes();
        assert_eq!((&all[..length], line.token()), (&bytes[..], None));
        assert_eq!(line.words().is_some(), count % 8 == 0);
    }
    assert_eq!(Line::of_words(&[0; 8], None), None);
    assert_eq!(Line::of_bytes(&[0; LINE_BYTES + 1], None), None);
}

#[test]
fn each_direction_holds_as_many_lines_as_the_ring_has() {
    let memory = memory(5);
    let (mut client, mut server) = (quiet(&memory, Side::Client), quiet(&memory, Side::Server));
    for round in 0..3 {
        for number in 0..5 {
            client.send(&line(number + round)).unwrap();
            server.send(&line(number + round + 100)).unwrap();
        }
        assert_eq!(client.send(&line(9)), Err(SendError::Full));
        assert_eq!(server.send(&line(9)), Err(SendError::Full));
        for number in 0..5 {
            assert_eq!(server.receive(), Ok(Some(line(number + round))));
            assert_eq!(client.receive(), Ok(Some(line(number + round + 100))));
        }
        assert_eq!(client.receive(), Ok(None));
        assert_eq!(server.receive(), Ok(None));
        // The rest of a half ring is acknowledged when it is asked for, or with a line.
        server.ask_wake(Interest::RECEIVE).unwrap();
        client.ask_wake(Interest::RECEIVE).unwrap();
    }
}

#[test]
fn an_answer_acknowledges() {
    let memory = memory(4);
    let (mut client, mut server) = (quiet(&memory, Side::Client), quiet(&memory, Side::Server));
    for number in 0..1000 {
        client.send(&line(number)).unwrap();
        assert_eq!(server.receive(), Ok(Some(line(number))));
        server.send(&line(number)).unwrap();
        assert_eq!(client.receive(), Ok(Some(line(number))));
    }
}

#[test]
fn one_way_needs_no_answers() {
    let memory = memory(4);
    let (mut client, mut server) = (quiet(&memory, Side::Client), quiet(&memory, Side::Server));
    for number in 0..1000 {
        client.send(&line(number)).unwrap();
        assert_eq!(server.receive(), Ok(Some(line(number))));
    }
}

#[test]
fn staged_lines_come_when_they_are_published_and_wake_once() {
    let memory = memory(4);
    let rings = Cell::new(0);
    let mut client = Channel::new(&memory, Side::Client, || rings.set(rings.get() + 1)).unwrap();
    let mut server = quiet(&memory, Side::Server);
    assert_eq!(server.ask_wake(Interest::RECEIVE), Ok(true));
    client.stage(&line(1)).unwrap();
    client.stage(&line(2)).unwrap();
    assert_eq!((server.receive(), rings.get()), (Ok(None), 0));
    client.publish();
    assert_eq!(rings.get(), 1);
    assert_eq!(server.receive(), Ok(Some(line(1))));
    assert_eq!(server.receive(), Ok(Some(line(2))));
    client.stage(&line(3)).unwrap();
    client.send(&line(4)).unwrap();
    assert_eq!(server.receive(), Ok(Some(line(3))));
    assert_eq!(server.receive(), Ok(Some(line(4))));
    client.publish();
    assert_eq!((server.receive(), rings.get()), (Ok(None), 1));
}

#[test]
fn a_staged_line_does_not_acknowledge_less_than_what_was_said_before() {
    let memory = memory(2);
    let (mut client, mut server) = (quiet(&memory, Side::Client), quiet(&memory, Side::Server));
    for _ in 0..10 {
        server.stage(&line(100)).unwrap();
        for number in 0..4 {
            match client.send(&line(number)) {
                Ok(()) => assert_eq!(server.receive(), Ok(Some(line(number)))),
                Err(error) => assert_eq!(error, SendError::Full),
            }
        }
        assert_eq!(client.receive(), Ok(None));
        server.publish();
        assert_eq!(client.receive(), Ok(Some(line(100))));
    }
}

#[test]
fn only_a_sleeper_is_woken_and_only_once() {
    let memory = memory(2);
    let rings = Cell::new(0);
    let mut client = Channel::new(&memory, Side::Client, || rings.set(rings.get() + 1)).unwrap();
    let mut server = quiet(&memory, Side::Server);
    client.send(&line(1)).unwrap();
    assert_eq!(
        server.ask_wake(Interest::RECEIVE),
        Ok(false),
        "there is one"
    );
    assert_eq!(server.receive(), Ok(Some(line(1))));
    assert_eq!(rings.get(), 0);
    assert_eq!(server.ask_wake(Interest::RECEIVE), Ok(true));
    assert_eq!(server.ask_wake(Interest::RECEIVE), Ok(true), "still");
    client.send(&line(2)).unwrap();
    client.send(&line(3)).unwrap();
    assert_eq!(rings.get(), 1);
    assert_eq!(server.receive(), Ok(Some(line(2))));
    assert_eq!(server.receive(), Ok(Some(line(3))));
    assert_eq!(server.ask_wake(Interest::RECEIVE), Ok(true));
    server.awake();
    client.send(&line(4)).unwrap();
    assert_eq!(rings.get(), 1, "it was awake");
}

#[test]
fn who_waits_for_room_is_woken_by_an_acknowledgement() {
    let memory = memory(4);
    let rings = Cell::new(0);
    let mut client = quiet(&memory, Side::Client);
    let mut server = Channel::new(&memory, Side::Server, || rings.set(rings.get() + 1)).unwrap();
    assert_eq!(client.ask_wake(Interest::SEND), Ok(false), "there is room");
    (0..4).for_each(|number| client.send(&line(number)).unwrap());
    assert_eq!(client.ask_wake(Interest::SEND), Ok(true));
    assert_eq!(server.receive(), Ok(Some(line(0))));
    assert_eq!(rings.get(), 0, "half a ring at a time");
    assert_eq!(server.receive(), Ok(Some(line(1))));
    assert_eq!(rings.get(), 1);
    assert_eq!(client.ask_wake(Interest::BOTH), Ok(false));
    client.send(&line(4)).unwrap();
    client.send(&line(5)).unwrap();
    assert_eq!(client.send(&line(6)), Err(SendError::Full));
    assert_eq!(client.ask_wake(Interest::BOTH), Ok(true));
    server.send(&line(7)).unwrap();
    assert_eq!(rings.get(), 2);
}

#[test]
fn a_message_of_any_length_arrives() {
    let memory = memory(3);
    let (mut client, mut server) = (quiet(&memory, Side::Client), quiet(&memory, Side::Server));
    let bytes: Vec<u8> = (0..1000_u32).map(|n| (n * 7) as u8).collect();
    let mut assembly = Assembly::new(Growing::new(1000));
    for length in (0..200).chain([999, 1000]) {
        let token = (length % 2 == 0).then_some(length as u32);
        let mut message = Outgoing::new(&bytes[..length], token);
        loop {
            let sent = client.send_message(&mut message).unwrap();
            assert_eq!(sent, message.is_done());
            if !sent {
                assert_eq!(client.send(&line(0)), Err(SendError::Unfinished));
                assert_eq!(client.stage(&line(0)), Err(SendError::Unfinished));
                let mut other = Outgoing::new(&[], None);
                assert_eq!(client.send_message(&mut other), Err(SendError::Unfinished));
            }
            if server.receive_message(&mut assembly).unwrap() {
                break;
            }
        }
        assert!(client.send_message(&mut message).unwrap(), "once only");
        let same = assembly.take(|got, its| got == &bytes[..length] && its == token);
        assert_eq!(same, Some(true));
        assert_eq!(assembly.take(|_, _| ()), None);
        assert_eq!(server.receive_message(&mut assembly), Ok(false));
    }
}

#[test]
fn a_message_above_the_limit_ends_the_channel() {
    for limit in [0, 56, 99] {
        let memory = memory(3);
        let (mut client, mut server) = (quiet(&memory, Side::Client), quiet(&memory, Side::Server));
        let mut message = Outgoing::new(&[7; 100], None);
        client.send_message(&mut message).unwrap();
        let mut room = vec![0; limit];
        let mut fixed = Assembly::new(Fixed::new(&mut room));
        let fault = server.receive_message(&mut fixed).unwrap_err();
        assert_eq!(fault, ump::Fault::TooLong);
        assert_eq!(server.check(), Err(fault));
        assert_eq!(server.receive(), Err(fault));
        assert_eq!(server.send(&line(1)), Err(SendError::Broken(fault)));
        assert_eq!(server.ask_wake(Interest::BOTH), Err(fault));
        assert_eq!(client.receive(), Ok(None));
    }
}

#[test]
fn memory_of_a_wrong_size_or_place_is_refused() {
    for count in [0, 1, 2, 3, 5] {
        let memory: Vec<Slot> = (0..count).map(|_| Slot::default()).collect();
        let made = Channel::new(&memory, Side::Client, || {});
        assert_eq!(made.err(), Some(ErrorCode::LibUmpBufsizeInvalid), "{count}");
    }
    let most = 2 * (Channel::<fn()>::MAX_LINES + 1);
    let memory: Vec<Slot> = (0..most + 2).map(|_| Slot::default()).collect();
    assert!(Channel::new(&memory, Side::Client, || {}).is_err());
    assert!(Channel::new(&memory[..most], Side::Client, || {}).is_ok());

    let base = memory.as_ptr().cast_mut().cast::<u8>();
    let made = |base: *mut u8, bytes: usize| {
        // SAFETY: either this is refused, or it is the memory above, which lives longer.
        unsafe { slots(base, bytes) }.map(<[Slot]>::len)
    };
    assert_eq!(made(base, 4 * SLOT_BYTES), Ok(4));
    assert_eq!(
        made(core::ptr::null_mut(), 256),
        Err(ErrorCode::LibUmpBufaddrInvalid)
    );
    assert_eq!(
        made(base.wrapping_add(8), 256),
        Err(ErrorCode::LibUmpBufaddrInvalid)
    );
    assert_eq!(made(base, 255), Err(ErrorCode::LibUmpBufsizeInvalid));
    assert_eq!(
        made(base, usize::MAX - 63),
        Err(ErrorCode::LibUmpBufsizeInvalid)
    );
}
