//! The driver on a model of the device: one with FIFOs that are sent slowly, and one as QEMU's, which is never full.

use pl011::{
    Counts, DAMAGED, FIFOS_EIGHT_BITS, ON, OVERRUN, Pl011, RECEIVE, RECEIVE_EMPTY, Register,
    Registers, TRANSMIT, TRANSMIT_FULL,
};
use random::Random;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Bytes of a FIFO.
const DEPTH: usize = 16;
const HALF: usize = DEPTH / 2;

#[derive(Debug, Default)]
struct Device {
    received: VecDeque<u32>,
    lost: bool,
    fifo: VecDeque<u8>,
    /// What went over the line.
    line: Vec<u8>,
    /// Sends at once: never full.
    is_fast: bool,
    raw: u32,
    mask: u32,
    control: u32,
    line_control: u32,
    /// Bytes written while there was no room.
    dropped: usize,
    settings_written: usize,
}

impl Device {
    fn booted(is_fast: bool) -> Self {
        Self {
            is_fast,
            control: ON,
            line_control: FIFOS_EIGHT_BITS,
            ..Self::default()
        }
    }

    fn put(&mut self, byte: u8) {
        if self.is_fast {
            self.line.push(byte);
            self.raw |= TRANSMIT;
        } else if self.fifo.len() < DEPTH {
            self.fifo.push_back(byte);
        } else {
            self.dropped += 1;
        }
    }

    /// A byte goes over the line.
    fn step(&mut self) {
        if let Some(byte) = self.fifo.pop_front() {
            self.line.push(byte);
            if self.fifo.len() == HALF {
                self.raw |= TRANSMIT;
            }
        }
    }

    /// A byte comes in.
    fn typed(&mut self, data: u32) {
        if self.received.len() == DEPTH {
            self.lost = true;
            return;
        }
        let overrun = if std::mem::take(&mut self.lost) {
            OVERRUN
        } else {
            0
        };
        self.received.push_back(data | overrun);
        // The time-out comes a moment later.
        self.raw |= RECEIVE;
    }

    fn interrupts(&self) -> bool {
        self.raw & self.mask != 0
    }

    /// As the kernel prints: with interrupts off, waiting for room.
    fn kernel_prints(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            while !self.is_fast && self.fifo.len() == DEPTH {
                self.step();
            }
            self.put(byte);
        }
    }
}

#[derive(Clone, Debug)]
struct Shared(Rc<RefCell<Device>>);

impl Registers for Shared {
    fn read(&mut self, register: Register) -> u32 {
        let mut device = self.0.borrow_mut();
        match register {
            Register::Data => {
                let data = device.received.pop_front().unwrap_or(0);
                if device.received.is_empty() {
                    device.raw &= !RECEIVE;
                }
                data
            }
            Register::Flags => {
                let mut flags = 0;
                if device.received.is_empty() {
                    flags |= RECEIVE_EMPTY;
                }
                if !device.is_fast && device.fifo.len() == DEPTH {
                    flags |= TRANSMIT_FULL;
                }
                flags
            }
            Register::LineControl => device.line_control,
            Register::Control => device.control,
            Register::Mask => device.mask,
            Register::Levels | Register::Clear => 0,
        }
    }

    fn write(&mut self, register: Register, value: u32) {
        let mut device = self.0.borrow_mut();
        match register {
            Register::Data => device.put(value as u8),
            Register::LineControl => {
                device.line_control = value;
                device.settings_written += 1;
            }
            Register::Control => {
                device.control = value;
                device.settings_written += 1;
            }
            Register::Mask => device.mask = value,
            Register::Clear => device.raw &= !value,
            Register::Levels | Register::Flags => {}
        }
    }
}

fn device(is_fast: bool) -> (Shared, Pl011<Shared>) {
    let shared = Shared(Rc::new(RefCell::new(Device::booted(is_fast))));
    (shared.clone(), Pl011::take_over(shared))
}

fn send(driver: &mut Pl011<Shared>, output: &RefCell<VecDeque<u8>>) {
    driver.send(|| output.borrow_mut().pop_front());
}

#[test]
fn all_output_is_sent_in_order_by_interrupts_whatever_the_kernel_prints() {
    for seed in 0..200 {
        let mut random = Random::new(seed + 1);
        let is_fast = seed % 4 == 0;
        let (shared, mut driver) = device(is_fast);
        let output = RefCell::new(VecDeque::new());
        let mut written = Vec::new();
        let mut interrupts = 0;
        for _ in 0..400 {
            match random.next() % 8 {
                0 => {
                    let waits = driver.transmits();
                    for _ in 0..random.next() % 60 {
                        let byte = b'a' + (random.next() % 26) as u8;
                        written.push(byte);
                        output.borrow_mut().push_back(byte);
                    }
                    if !waits {
                        send(&mut driver, &output);
                    }
                }
                1 => {
                    let count = random.next() as usize % 40;
                    shared.0.borrow_mut().kernel_prints(&vec![b'#'; count]);
                }
                _ => shared.0.borrow_mut().step(),
            }
            if shared.0.borrow().interrupts() {
                interrupts += 1;
                send(&mut driver, &output);
            }
        }
        // The rest, and no turn without an interrupt.
        for _ in 0..100_000 {
            shared.0.borrow_mut().step();
            if shared.0.borrow().interrupts() {
                interrupts += 1;
                send(&mut driver, &output);
            }
        }
        let device = shared.0.borrow();
        let own: Vec<u8> = device
            .line
            .iter()
            .copied()
            .filter(|byte| *byte != b'#')
            .collect();
        assert!(
            own == written,
            "seed {seed}: {} of {} bytes",
            own.len(),
            written.len()
        );
        assert_eq!(device.dropped, 0, "seed {seed}");
        assert!(
            !device.interrupts(),
            "seed {seed}: it rests when nothing is left"
        );
        assert_eq!(driver.counts().sent, written.len() as u64);
        assert!(interrupts <= written.len() + 2, "seed {seed}: {interrupts}");
    }
}

#[test]
fn all_input_is_received_and_what_was_lost_is_counted() {
    for seed in 0..100 {
        let mut random = Random::new(seed + 1);
        let (shared, mut driver) = device(seed % 2 == 0);
        let (mut wanted, mut damaged, mut seen) = (Vec::new(), 0, Vec::<u8>::new());
        let mut overruns = 0;
        for _ in 0..300 {
            for _ in 0..random.next() % 30 {
                let byte = random.next() as u8;
                let full = shared.0.borrow().received.len() == DEPTH;
                let bad = random.next().is_multiple_of(16);
                if !full {
                    overruns += u64::from(shared.0.borrow().lost);
                    match bad {
                        true => damaged += 1,
                        false => wanted.push(byte),
                    }
                }
                let error = if bad {
                    DAMAGED & (1 << (8 + random.next() % 3))
                } else {
                    0
                };
                shared.0.borrow_mut().typed(u32::from(byte) | error);
            }
            assert_eq!(
                shared.0.borrow().interrupts(),
                !shared.0.borrow().received.is_empty()
            );
            while shared.0.borrow().interrupts() {
                let received = driver.receive();
                seen.extend(received.bytes());
                assert!(!received.more);
            }
        }
        assert!(seen == wanted, "seed {seed}");
        let counts = driver.counts();
        assert_eq!(
            (counts.received, counts.damaged),
            (wanted.len() as u64, damaged)
        );
        assert_eq!(counts.overruns, overruns, "seed {seed}");
    }
}

#[test]
fn a_driver_takes_over_what_the_last_one_left() {
    let (shared, mut first) = device(false);
    let output = RefCell::new(VecDeque::from(vec![b'x'; 100]));
    send(&mut first, &output);
    shared.0.borrow_mut().typed(b'k'.into());
    // It dies with its transmit interrupt enabled.
    drop(first);
    let mut second = Pl011::take_over(shared.clone());
    assert_eq!(
        shared.0.borrow().settings_written,
        0,
        "what is being sent goes on"
    );
    assert_eq!(second.receive().bytes(), b"k");
    for _ in 0..50 {
        shared.0.borrow_mut().step();
        assert!(!shared.0.borrow().interrupts(), "it has nothing to send");
    }
    let output = RefCell::new(VecDeque::from(vec![b'y'; 20]));
    send(&mut second, &output);
    for _ in 0..50 {
        shared.0.borrow_mut().step();
        if shared.0.borrow().interrupts() {
            send(&mut second, &output);
        }
    }
    let line = String::from_utf8(shared.0.borrow().line.clone()).expect("text");
    assert_eq!(line, format!("{}{}", "x".repeat(16), "y".repeat(20)));
}

#[test]
fn a_device_that_is_off_is_switched_on() {
    let shared = Shared(Rc::new(RefCell::new(Device::default())));
    let driver = Pl011::take_over(shared.clone());
    let device = shared.0.borrow();
    assert_eq!(device.control & ON, ON);
    assert_eq!(device.line_control, FIFOS_EIGHT_BITS);
    assert_eq!(device.mask, RECEIVE);
    assert_eq!(driver.counts(), Counts::default());
}

#[test]
fn a_flood_is_taken_in_parts() {
    struct Flood;
    impl Registers for Flood {
        fn read(&mut self, register: Register) -> u32 {
            match register {
                Register::Data => b'f'.into(),
                _ => 0,
            }
        }
        fn write(&mut self, _register: Register, _value: u32) {}
    }
    let mut driver = Pl011::take_over(Flood);
    let received = driver.receive();
    assert_eq!(received.bytes().len(), pl011::RECEIVED_AT_ONCE);
    assert!(received.more);
    // A device that always has room, and a writer without an end.
    let mut asked = 0;
    driver.send(|| {
        asked += 1;
        Some(b'x')
    });
    assert_eq!(asked, pl011::SENT_AT_ONCE);
}
