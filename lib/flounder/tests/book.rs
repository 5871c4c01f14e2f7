//! The examples of the book's chapter about messages: they compile and run.

#[cfg(test)]
mod tests {
    use errors::{Error, ErrorCode};
    use flounder::{Connections, Limits, Server, Service, Single, Transport, interface, loopback};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    // ANCHOR: interface
    /// Memory by the page. `C` is the capability type, which the transport decides.
    #[interface]
    pub trait Pages<C> {
        /// A frame of so many pages, and its bytes.
        fn alloc(&mut self, pages: u64) -> Result<(u64, C), Error>;
        /// Writes into the log.
        #[one_way]
        fn log(&mut self, text: &str);
    }
    // ANCHOR_END: interface

    // ANCHOR: client
    async fn two_frames<T: Transport>(transport: T) -> Result<(T::Cap, T::Cap), Error> {
        let pages = PagesClient::<_, Single>::bind(transport, Limits::default()).await?;
        pages.log("two frames, please").await?;
        let (_, small) = pages.alloc(1).await?;
        let (_, large) = pages.alloc(512).await?;
        Ok((small, large))
    }
    // ANCHOR_END: client

    struct Memory {
        next: u64,
        log: String,
    }

    impl Pages<u64> for Memory {
        fn alloc(&mut self, pages: u64) -> Result<(u64, u64), Error> {
            let bytes = pages
                .checked_mul(4096)
                .ok_or(ErrorCode::CommonInvalidArgs)?;
            self.next += 1;
            Ok((bytes, self.next))
        }
        fn log(&mut self, text: &str) {
            self.log.push_str(text);
        }
    }

    // ANCHOR: service
    /// Serves the clients that it has; `connections.add(transport)` adds one.
    async fn serve<T: Transport>(
        connections: &mut Connections<T>,
        service: &mut impl Service<T::Cap>,
    ) {
        std::future::poll_fn(|cx| {
            if connections.poll(service, 16, cx.waker()) {
                cx.waker().wake_by_ref(); // More to do, after the other tasks.
            }
            match connections.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await
    }
    // ANCHOR_END: service

    #[test]
    fn the_service_runs_until_its_clients_are_gone() {
        let mut connections = Connections::new(10, Limits::default());
        let mut clients = Vec::new();
        for _ in 0..3 {
            let (client, server) = loopback::<u64, Single, 9>(4);
            connections
                .add(server)
                .unwrap_or_else(|_| panic!("the table is full"));
            clients.push(Box::pin(two_frames(client)));
        }
        let mut memory = PagesServer(Memory {
            next: 0,
            log: String::new(),
        });
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut service = pin!(serve(&mut connections, &mut memory));
            while service.as_mut().poll(&mut context).is_pending() {
                clients.retain_mut(|client| client.as_mut().poll(&mut context).is_pending());
            }
        }
        assert_eq!(memory.0.next, 6);
    }

    #[test]
    fn the_client_gets_two_frames() {
        let (client, server) = loopback::<u64, Single, 9>(4);
        let mut server = Server::new(server, Limits::default(), 1);
        let mut memory = PagesServer(Memory {
            next: 0,
            log: String::new(),
        });
        let mut frames = pin!(two_frames(client));
        let mut context = Context::from_waker(Waker::noop());
        let frames = loop {
            if let Poll::Ready(result) = frames.as_mut().poll(&mut context) {
                break result;
            }
            server.poll(&mut memory, 16).unwrap();
        };
        assert_eq!(frames, Ok((1, 2)));
        assert_eq!(memory.0.log, "two frames, please");
    }
}
