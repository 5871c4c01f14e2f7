//! Numbers and texts.

use super::call;
use crate::harness::{Outcome, equal, refused};
use crate::processes::Test;
use alloc::string::String;
use aos::ErrorCode;
use aos::rpc::{aos_rpc_get_init_channel, aos_rpc_send_number, aos_rpc_send_string};
use services::init::sum;

pub const TESTS: &[Test] = &[
    ("send_number", numbers),
    ("send_string, of any length", texts),
    ("send_string, too long", too_long),
];

fn numbers() -> Outcome {
    let channel = aos_rpc_get_init_channel()?;
    for number in [0, 1, 42, u64::MAX] {
        aos_rpc_send_number(&channel, number)?;
        equal(call(channel.last())?.0, number)?;
    }
    Ok(())
}

fn texts() -> Outcome {
    let channel = aos_rpc_get_init_channel()?;
    let word = "Füße, 日本語, 🦀 ";
    for bytes in [0, 1, 8, 64, 65, 1 << 10, 4 << 10, 64 << 10, (1 << 20) - 64] {
        let mut text = String::new();
        while text.len() + word.len() <= bytes {
            text.push_str(word);
        }
        while text.len() < bytes {
            text.push('x');
        }
        aos_rpc_send_string(&channel, &text)?;
        let (_, length, hash) = call(channel.last())?;
        equal((length, hash), (bytes as u64, sum(text.as_bytes())))?;
    }
    Ok(())
}

fn too_long() -> Outcome {
    let channel = aos_rpc_get_init_channel()?;
    let text = "x".repeat((1 << 20) + 1);
    refused(
        aos_rpc_send_string(&channel, &text),
        ErrorCode::FlounderTxMsgSize,
    )?;
    Ok(aos_rpc_send_number(&channel, 7)?)
}
