//! A line of a PL061 GPIO block (Arm DDI 0190) as an output: what lights a board's light.
//!
//! Pure: the registers are a trait, so that the tests try it on a model of the device. The address of the data register has a bit for each line that is
//! meant, so that a line is switched by one write, whatever others do with the other seven.
//!
//! Barrelfish counterpart: none; the course blinks a light in the kernel, `aos_blink_leds`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// GPIODIR: which lines are outputs.
pub const DIRECTION: usize = 0x400;
/// Lines of a block.
pub const LINES: u8 = 8;

/// GPIODATA, of one line.
const fn data_of(line: u8) -> usize {
    1 << (line + 2)
}

/// The device.
pub trait Registers {
    /// Reads the one at that offset.
    fn read(&mut self, offset: usize) -> u32;
    /// Writes it.
    fn write(&mut self, offset: usize, value: u32);
}

/// A line that is driven from here.
#[derive(Debug)]
pub struct Output<R> {
    registers: R,
    line: u8,
}

impl<R: Registers> Output<R> {
    /// Makes a line an output, at the level that it has; `None` if the block has no such line.
    pub fn new(mut registers: R, line: u8) -> Option<Self> {
        if line >= LINES {
            return None;
        }
        let level = registers.read(data_of(line));
        let outputs = registers.read(DIRECTION);
        registers.write(DIRECTION, outputs | 1 << line);
        registers.write(data_of(line), level);
        Some(Self { registers, line })
    }

    /// Switches it.
    pub fn set(&mut self, is_high: bool) {
        let level = u32::from(is_high) << self.line;
        self.registers.write(data_of(self.line), level);
    }

    /// What it is, as the device says.
    pub fn is_high(&mut self) -> bool {
        self.registers.read(data_of(self.line)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The block; inputs keep what comes from outside.
    #[derive(Debug, Default)]
    struct Model {
        outputs: u32,
        levels: u32,
    }

    impl Registers for &mut Model {
        fn read(&mut self, offset: usize) -> u32 {
            match offset {
                DIRECTION => self.outputs,
                0..DIRECTION => self.levels & (offset as u32 >> 2),
                _ => panic!("no register at {offset:#x}"),
            }
        }

        fn write(&mut self, offset: usize, value: u32) {
            match offset {
                DIRECTION => self.outputs = value,
                0..DIRECTION => {
                    let lines = self.outputs & (offset as u32 >> 2);
                    self.levels = self.levels & !lines | value & lines;
                }
                _ => panic!("no register at {offset:#x}"),
            }
        }
    }

    #[test]
    fn a_line_is_switched_and_no_other() {
        for line in 0..LINES {
            let mut model = Model {
                outputs: 0x41,
                levels: 0b1010_1010,
            };
            let before = model.levels;
            let mut output = Output::new(&mut model, line).unwrap();
            assert_eq!(output.is_high(), before >> line & 1 == 1);
            for is_high in [true, true, false, true, false] {
                output.set(is_high);
                assert_eq!(output.is_high(), is_high);
            }
            assert_eq!(model.levels, before & !(1 << line));
            assert_eq!(model.outputs, 0x41 | 1 << line);
        }
    }

    #[test]
    fn there_are_eight_lines() {
        assert!(Output::new(&mut Model::default(), 8).is_none());
        assert!(Output::new(&mut Model::default(), u8::MAX).is_none());
    }
}
