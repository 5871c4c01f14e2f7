//! Records for hake. A record that cannot be printed is no reason to stop: hake then misses it and says so.

use aos::record;
use aos::testproto::{Kind, Writer};

/// Prints a record.
pub fn emit(writer: &mut Writer) {
    aos::console::flush();
    if let Ok(json) = writer.finish() {
        let _ = record::print(json);
    }
}

/// A command has ended.
pub fn command(line: &str, status: u8) {
    let mut writer = Writer::new(Kind::Cmd);
    emit(writer.str("line", line).int("status", status));
}

/// A stage of the boot was reached.
pub fn stage(name: &str, ticks: u64) {
    let mut writer = Writer::new(Kind::Boot);
    emit(writer.str("stage", name).int("ticks", ticks));
}
