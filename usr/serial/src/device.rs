//! The UART: its registers, its interrupt.

use aos::cap::AnyCap;
use aos::cap::irq::{Trigger, irq_ack, irq_connect};
use aos::channel::Channel;
use aos::error::ResultExt;
use aos::kpi::rights::PageFlags;
use aos::lmp::{Endpoint, MIN_BUFFER_WORDS, endpoint_create};
use aos::paging::MappedFrame;
use aos::proc::passed;
use aos::sync::Shared;
use aos::{Error, ErrorCode, binding, event, names, time};
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::time::Duration;
use pl011::{Pl011, Register, Registers};
use services::interrupts::{self, InterruptsClient};

/// How long one waits for a line that the last driver had: until its end was told.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

type Interrupts = InterruptsClient<Channel, Shared>;

/// The mapped registers.
#[derive(Debug)]
struct Mapped(MappedFrame);

impl Registers for Mapped {
    fn read(&mut self, register: Register) -> u32 {
        // All registers are in the page that is mapped.
        self.0.view().load_register(register as usize).unwrap_or(0)
    }

    fn write(&mut self, register: Register, value: u32) {
        self.0.view().store_register(register as usize, value);
    }
}

/// The UART.
pub struct Device {
    uart: RefCell<Pl011<Mapped>>,
    /// As long as it is there, the line is this driver's.
    _interrupts: Interrupts,
    line: AnyCap,
    endpoint: Endpoint,
    /// One has come, or there may be something to receive without one.
    interrupted: Cell<bool>,
}

impl Device {
    /// Maps the registers, has the interrupt line, and takes over the device.
    ///
    /// # Errors
    /// No such capability was passed; there is no service of interrupt lines; another driver has this one; the kernel's.
    pub fn take_over(line: u32) -> Result<Self, Error> {
        let frame = passed(0).ok_or(Error::new(ErrorCode::LibFrameIdentify))?;
        let uncached = PageFlags::READ_WRITE.union(PageFlags::NOCACHE);
        let registers = Mapped(MappedFrame::new(frame, uncached)?);
        let (service, line) = event::block_on(open(line))?;
        let endpoint = endpoint_create(MIN_BUFFER_WORDS)?;
        let uart = RefCell::new(Pl011::take_over(registers));
        irq_connect(line.slot(), endpoint.cap(), Trigger::Level)?;
        Ok(Self {
            uart,
            _interrupts: service,
            line,
            endpoint,
            interrupted: Cell::new(true),
        })
    }

    /// Takes note of interrupts.
    pub async fn interrupts(&self) -> Infallible {
        loop {
            event::ready(&self.endpoint).await;
            while self.endpoint.receive().is_some() {
                self.interrupted.set(true);
            }
        }
    }

    /// Whether one came since this was last asked.
    pub fn take_interrupt(&self) -> bool {
        self.interrupted.replace(false)
    }

    /// The device was served; `again`: not quite.
    pub fn acknowledge(&self, again: bool) {
        self.interrupted.set(again);
        // The line is this driver's as long as it lives.
        let _ = irq_ack(self.line.slot());
    }

    /// Takes what was received. Answers whether there may be more.
    pub fn receive(&self, take: impl FnOnce(&[u8])) -> bool {
        let received = self.uart.borrow_mut().receive();
        if !received.bytes().is_empty() {
            take(received.bytes());
        }
        received.more
    }

    /// Sends what `next` gives, as long as there is room; an interrupt says when there is again.
    pub fn send(&self, next: impl FnMut() -> Option<u8>) {
        self.uart.borrow_mut().send(next);
    }

    /// Whether it has no room, and will interrupt when it has.
    pub fn is_full(&self) -> bool {
        self.uart.borrow().transmits()
    }
}

/// The line, as soon as the service is there and nobody else has it.
async fn open(line: u32) -> Result<(Interrupts, AnyCap), Error> {
    let deadline = time::after(PATIENCE);
    loop {
        let tried = try_to_open(line).await;
        match tried {
            Err(_) if time::now() < deadline => event::sleep_until(time::after(PAUSE)).await,
            result => return result,
        }
    }
}

async fn try_to_open(line: u32) -> Result<(Interrupts, AnyCap), Error> {
    let name = names::name(interrupts::NAME)?;
    let found = names::connect().await?.lookup(name).await?;
    let channel = binding::bind(found.handle).await?;
    let service = Interrupts::bind(channel, aos::flounder::Limits::default()).await?;
    let line = service
        .open(line, interrupts::Trigger::Level)
        .await
        .push_err(ErrorCode::SysIrqLookup)?;
    Ok((service, line))
}
