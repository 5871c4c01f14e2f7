//! What the server's side of the course's calls tells a grader: the `grading_rpc_handle_*` functions of the AOS book, as methods.
//!
//! Each service has a `grading`, which is [`Silent`] unless its domain sets another: the domains of `usr/` take the word `grading` and then print a
//! line for each call, `grading: NAME ARGUMENTS`.

use core::fmt;

/// Is told of calls, with the names that the course uses.
pub trait Grading {
    /// Takes note of a call: all others end here.
    fn note(&mut self, call: fmt::Arguments<'_>) {
        let _ = call;
    }

    /// `aos_rpc_send_number`.
    fn grading_rpc_handle_number(&mut self, value: u64) {
        self.note(format_args!("grading_rpc_handle_number {value}"));
    }

    /// `aos_rpc_send_string`.
    fn grading_rpc_handler_string(&mut self, text: &str) {
        self.note(format_args!("grading_rpc_handler_string {text:?}"));
    }

    /// `aos_rpc_serial_getchar`.
    fn grading_rpc_handler_serial_getchar(&mut self) {
        self.note(format_args!("grading_rpc_handler_serial_getchar"));
    }

    /// `aos_rpc_serial_putchar`.
    fn grading_rpc_handler_serial_putchar(&mut self, byte: u8) {
        let c = char::from(byte);
        self.note(format_args!("grading_rpc_handler_serial_putchar {c:?}"));
    }

    /// `aos_rpc_get_ram_cap`.
    fn grading_rpc_handler_ram_cap(&mut self, bytes: u64, alignment: u64) {
        self.note(format_args!(
            "grading_rpc_handler_ram_cap {bytes} {alignment}"
        ));
    }

    /// `aos_rpc_process_spawn`.
    fn grading_rpc_handler_process_spawn(&mut self, name: &str, core: u8) {
        self.note(format_args!(
            "grading_rpc_handler_process_spawn {name:?} {core}"
        ));
    }

    /// `aos_rpc_process_get_name`.
    fn grading_rpc_handler_process_get_name(&mut self, pid: u32) {
        self.note(format_args!("grading_rpc_handler_process_get_name {pid}"));
    }

    /// `aos_rpc_process_get_all_pids`.
    fn grading_rpc_handler_process_get_all_pids(&mut self) {
        self.note(format_args!("grading_rpc_handler_process_get_all_pids"));
    }
}

/// Nobody grades.
#[derive(Clone, Copy, Default, Debug)]
pub struct Silent;

impl Grading for Silent {}
