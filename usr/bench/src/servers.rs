//! What services of their own domains cost: memory, programs, and a pipe between two programs.
//!
//! The servers are the real ones: `mem_serv`, which is started here with RAM of this program's; `spawnd`, which init has started; and a shell, whose
//! pipe two copies of this program use. `module /sbin/bench boot services`, behind spawnd and a name server.

use crate::meter::{Meter, each, one};
use aos::cap::{CapRef, cap_delete, cap_retype};
use aos::flounder::{Limits, Single};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::proc::{Child, Command};
use aos::rpc::{self, MemoryChannel};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, ErrorCode, event, names, ram, stdio, time};
use core::cell::Cell;
use core::time::Duration;
use services::echo::EchoClient;

/// The argument to measure these.
pub const SERVICES: &str = "services";
/// The argument to write into a pipe.
pub const WRITER: &str = "--pipe-writer";
/// The argument to read from one.
pub const READER: &str = "--pipe-reader";

/// RAM of the memory server.
const SERVER_BYTES: u64 = 32 << 20;
/// Who is told what a reader has measured.
const ECHO: &str = "bench/reader";
/// Longer than any of it takes to start.
const PATIENCE: Duration = Duration::from_secs(5);
/// KiB read before the time is taken, and measured then.
const PIPE_WARM_UP: u64 = 256;
const PIPE_KIB: u64 = 1024;
/// Bytes of one write, and of one read.
const PIECE: usize = 4 << 10;

/// Runs all of them.
///
/// # Errors
/// The first that an operation returns.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "ipc";
    memory(meter)?;
    programs(meter)?;
    pipe(meter)
}

/// RAM, and a frame, by a call to the memory server.
fn memory(meter: &mut Meter) -> Result<(), Error> {
    let ram = ram::mm_alloc(SERVER_BYTES)?;
    let server = Command::new("mem_serv").pass(ram).spawn()?;
    let channel = rpc::aos_rpc_get_memory_channel()?;
    let base: Cell<u64> = Cell::new(0);
    let taken: Cell<Option<CapRef>> = Cell::new(None);
    let back = || {
        let Some(cap) = taken.take() else {
            return Ok(());
        };
        base.set(aos::cap::cap_direct_identify(cap)?.address());
        event::call(channel.free(base.get()))?;
        slot_free(cap)
    };
    meter.measure(
        one("RAM of 4 KiB from the memory server", 4_000),
        || {
            let (cap, _) = rpc::aos_rpc_get_ram_cap(&channel, BASE_PAGE_SIZE, BASE_PAGE_SIZE)?;
            taken.set(Some(cap));
            Ok(())
        },
        back,
    )?;
    meter.measure(
        one("frame of 4 KiB from the memory server", 6_000),
        || {
            taken.set(Some(frame(&channel)?));
            Ok(())
        },
        back,
    )?;
    server.kill()?;
    server.wait().map(drop)
}

/// As Barrelfish's `frame_alloc`: RAM by a call, of it a frame, and the RAM's capability is dropped.
fn frame(channel: &MemoryChannel) -> Result<CapRef, Error> {
    let (cap, bytes) = rpc::aos_rpc_get_ram_cap(channel, BASE_PAGE_SIZE, BASE_PAGE_SIZE)?;
    let frame = slot_alloc()?;
    cap_retype(frame, cap, 0, ObjType::Frame, bytes, 1)?;
    cap_delete(cap)?;
    slot_free(cap)?;
    Ok(frame)
}

/// A program by a call to the process server.
fn programs(meter: &mut Meter) -> Result<(), Error> {
    let channel = rpc::aos_rpc_get_process_channel()?;
    let pid = Cell::new(0);
    let spawn = || {
        pid.set(rpc::aos_rpc_process_spawn(&channel, "hello", 0)?);
        Ok(())
    };
    let wait = || rpc::aos_rpc_process_wait(&channel, pid.get()).map(drop);
    meter.measure(
        one("spawn by the process server, request to answer", 1_000_000),
        spawn,
        wait,
    )?;
    meter.measure(
        one("the same, until it has ended and that was told", 0),
        || spawn().and_then(|()| wait()),
        || Ok(()),
    )
}

/// A pipe of a shell between two programs: the reader takes the time.
fn pipe(meter: &mut Meter) -> Result<(), Error> {
    let child = Command::of_line(&alloc::format!("echo {ECHO}"))?.spawn()?;
    names::nameservice_wait_for(ECHO, PATIENCE)?;
    let echo = echo()?;
    let mut sum = 0;
    meter.measure_few(
        each("pipe between two programs, each KiB", PIPE_KIB, 0),
        || {
            let line = alloc::format!("run bench {WRITER} | run bench {READER}");
            // It reads and prints nothing, but would look for a terminal.
            let shell = Command::new("shell").arg("-c").arg(&line);
            let shell: Child = shell
                .env(stdio::STDIN, "stream:0:0")
                .env(stdio::STDOUT, "stream:0:0")
                .spawn()?;
            let status = shell.wait()?.status();
            let (_, told) = event::call(echo.heard())?;
            let took = told.wrapping_sub(core::mem::replace(&mut sum, told));
            match (status, took) {
                (0, 1..) => Ok(took),
                _ => Err(Error::new(ErrorCode::LibLmpChanRecv)),
            }
        },
    )?;
    event::call(echo.end())?;
    child.wait().map(drop)
}

fn echo() -> Result<EchoClient<aos::channel::Channel, Single>, Error> {
    let found = names::nameservice_lookup(ECHO)?;
    event::block_on(async {
        let channel = aos::binding::bind(found.handle).await?;
        EchoClient::bind(channel, Limits::large()).await
    })
}

/// A child: writes what a reader reads.
///
/// # Errors
/// Nobody reads.
pub fn write() -> Result<(), Error> {
    let piece = [0x5a; PIECE];
    let bytes = (PIPE_WARM_UP + PIPE_KIB) << 10;
    for _ in 0..bytes / PIECE as u64 {
        stdio::write(&piece)?;
    }
    stdio::flush()
}

/// A child: reads that, and tells how long the measured part took.
///
/// # Errors
/// Those of reading, and of telling.
pub fn read() -> Result<(), Error> {
    let before = read_kib(PIPE_WARM_UP).map(|()| time::cycles())?;
    read_kib(PIPE_KIB)?;
    let took = time::cycles().wrapping_sub(before);
    event::call(echo()?.tell(took))
}

fn read_kib(kib: u64) -> Result<(), Error> {
    let mut piece = [0; PIECE];
    let mut missing = (kib << 10) as usize;
    while missing > 0 {
        let most = missing.min(PIECE);
        match stdio::read(piece.get_mut(..most).unwrap_or_default())? {
            0 => return Err(Error::new(ErrorCode::LibLmpChanRecv)),
            count => missing = missing.saturating_sub(count),
        }
    }
    Ok(())
}
