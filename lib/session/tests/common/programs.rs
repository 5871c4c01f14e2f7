//! The programs of the fake system: futures that use the session's streams by connections.

use super::fake::Handle;
use services::process::Order;
use session::Task;
use std::future::{pending, poll_fn};
use std::task::{Context, Poll};

/// What an order starts; none if there is no such program.
pub fn program(os: &Handle, pid: u32, order: &Order) -> Option<Task<u8>> {
    let io = ProcessIo {
        os: os.clone(),
        pid,
        env: order.env.clone(),
    };
    let args = order.args.clone();
    let name = args.first().unwrap().clone();
    Some(match name.as_str() {
        "hello" => {
            Box::pin(async move { io.print(&format!("hello, {}\n", args[1..].join(" "))).await })
        }
        "status" => Box::pin(async move { args[1].parse().unwrap() }),
        "spin" => Box::pin(pending()),
        "yes" => Box::pin(async move {
            // For ever, but for who counts.
            for _ in 0..2_000 {
                // A program does not hear of a closed pipe.
                io.print("yes\n").await;
                let mut is_over = false;
                let pause = |_: &mut Context<'_>| match std::mem::replace(&mut is_over, true) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                };
                poll_fn(pause).await;
            }
            pending().await
        }),
        "upper" => Box::pin(async move {
            loop {
                let bytes = io.read().await;
                if bytes.is_empty() {
                    return 0;
                }
                io.print(&String::from_utf8(bytes).unwrap().to_uppercase())
                    .await;
            }
        }),
        "env" => Box::pin(async move {
            let env = io.env.join(" ");
            io.print(&format!("{env}\n")).await
        }),
        "shell" => Box::pin(async move { io.print(&format!("{args:?}\n")).await }),
        _ => return None,
    })
}

/// What a process uses.
struct ProcessIo {
    os: Handle,
    pid: u32,
    env: Vec<String>,
}

impl ProcessIo {
    fn word(&self, name: &str) -> String {
        let value = self.env.iter().filter_map(|text| text.split_once('='));
        let mut value = value.filter(|(other, _)| *other == name);
        value
            .next()
            .map_or(String::new(), |(_, value)| value.into())
    }

    async fn print(&self, text: &str) -> u8 {
        let word = self.word("STDOUT");
        match word.strip_prefix("stream:1:") {
            Some(end) => {
                let client = self.os.client(self.pid).await.unwrap();
                match client.write(end.parse().unwrap(), text.as_bytes()).await {
                    Ok(()) => 0,
                    Err(_) => 3,
                }
            }
            None => {
                assert_eq!(word, "terminal");
                self.os.0.out.borrow_mut().push_str(text);
                0
            }
        }
    }

    async fn read(&self) -> Vec<u8> {
        match self.word("STDIN").strip_prefix("stream:1:") {
            Some(end) => {
                let client = self.os.client(self.pid).await.unwrap();
                client.read(end.parse().unwrap(), 100).await.unwrap()
            }
            None => self.os.typed(self.pid).await,
        }
    }
}
