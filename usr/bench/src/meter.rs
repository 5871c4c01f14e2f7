//! Taking samples and reporting them.

use aos::testproto::{Kind, Writer};
use aos::{Error, ErrorCode, record, time};

/// Samples of each operation, after [`WARM_UP`] that do not count.
const SAMPLES: usize = 64;
const WARM_UP: usize = 4;
/// Samples of what takes long.
const FEW: usize = 4;

/// What is measured.
#[derive(Clone, Copy)]
pub struct What<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many things one operation does: figures are for one.
    pub per: u64,
    /// What it should cost at most; 0 = no target.
    pub target: u64,
}

/// One thing at a time.
pub const fn one(name: &str, target: u64) -> What<'_> {
    each(name, 1, target)
}

/// `per` things at a time, the figure for one.
pub const fn each(name: &str, per: u64, target: u64) -> What<'_> {
    What { name, per, target }
}

/// Takes samples.
pub struct Meter {
    samples: [u64; SAMPLES],
    overhead: u64,
    /// Live capabilities, as reports state them.
    pub caps: u64,
    /// What the rows to come belong to.
    pub suite: &'static str,
}

impl Meter {
    /// A meter that knows what reading the counter costs.
    pub fn new() -> Self {
        let mut meter = Self {
            samples: [0; SAMPLES],
            overhead: 0,
            caps: 0,
            suite: "caps",
        };
        let overhead = (0..WARM_UP).map(|_| {
            let before = time::cycles();
            time::cycles().wrapping_sub(before)
        });
        meter.overhead = overhead.min().unwrap_or(0);
        meter
    }

    /// Measures `operation` and reports it; `after` undoes it unmeasured.
    ///
    /// # Errors
    /// Those of the operations; `LIB_ERR_LMP_CHAN_SEND` if the record could not be sent.
    pub fn measure(
        &mut self,
        what: What<'_>,
        mut operation: impl FnMut() -> Result<(), Error>,
        mut after: impl FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.measure_by(what, || {
            let before = time::cycles();
            operation()?;
            let took = time::cycles().wrapping_sub(before);
            after()?;
            Ok(took)
        })
    }

    /// Reports what takes its own samples, in cycles and with one reading of the counter in each.
    ///
    /// # Errors
    /// Those of `sample`; `LIB_ERR_LMP_CHAN_SEND` if the record could not be sent.
    pub fn measure_by(
        &mut self,
        what: What<'_>,
        mut sample: impl FnMut() -> Result<u64, Error>,
    ) -> Result<(), Error> {
        self.take(SAMPLES, what, &mut sample)
    }

    /// As [`Meter::measure_by`], for what takes long: few samples.
    ///
    /// # Errors
    /// As [`Meter::measure_by`].
    pub fn measure_few(
        &mut self,
        what: What<'_>,
        mut sample: impl FnMut() -> Result<u64, Error>,
    ) -> Result<(), Error> {
        self.take(FEW, what, &mut sample)
    }

    fn take(
        &mut self,
        count: usize,
        what: What<'_>,
        sample: &mut dyn FnMut() -> Result<u64, Error>,
    ) -> Result<(), Error> {
        for _ in 0..WARM_UP.min(count) {
            sample()?;
        }
        let overhead = self.overhead;
        let samples = self.samples.get_mut(..count).unwrap_or_default();
        for place in &mut *samples {
            *place = sample()?.saturating_sub(overhead) / what.per;
        }
        samples.sort_unstable();
        let (min, max) = (samples.first().copied(), samples.last().copied());
        let median = samples.get(count / 2).copied();
        let mut record = Writer::new(Kind::Bench);
        record.str("suite", self.suite).str("name", what.name);
        record.str("unit", "instructions");
        record.int("caps", self.caps).int("samples", count as u64);
        record
            .int("min", min.unwrap_or(0))
            .int("median", median.unwrap_or(0));
        record.int("target", what.target);
        send(record.int("max", max.unwrap_or(0)))
    }
}

/// Sends a record.
///
/// # Errors
/// `LIB_ERR_MSGBUF_OVERFLOW` for one that is too long, `LIB_ERR_LMP_CHAN_SEND`.
pub fn send(record: &mut Writer) -> Result<(), Error> {
    match record.finish() {
        Ok(json) => record::send(json),
        Err(_) => Err(Error::new(ErrorCode::LibMsgbufOverflow)),
    }
}
