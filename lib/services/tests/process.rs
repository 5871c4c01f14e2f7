//! The process server over a backend that only writes down what it is asked.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use errors::{Error, ErrorCode};
use flounder::{Finished, Limits, Single};
use services::process::{
    About, Backend, Ended, Holding, Order, Planned, ProcessService, ProcessesClient,
    ProcessesServer, Ready, State,
};
use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Waker};
use supervise::{Definition, Need, NeedKind, Policy, Restart, Service, Ticks};
use support::{Domain, Transport, refused};

type Cap = u32;
type Client = ProcessesClient<Transport<Cap>, Single>;

const POLICY: Policy = Policy {
    restart: Restart::OnFailure,
    restarts: 2,
    window: Ticks(1_000),
    base: Ticks(10),
    cap: Ticks(100),
    ready_within: Some(Ticks(50)),
};

/// Processes that exist, and what was asked.
#[derive(Default)]
struct Fake {
    last: u32,
    alive: BTreeSet<u32>,
    log: Vec<String>,
    refuses: bool,
}

impl Fake {
    fn make(&mut self) -> Result<u32, Error> {
        if self.refuses {
            return Err(ErrorCode::SpawnFindModule.into());
        }
        self.last += 1;
        self.alive.insert(100 + self.last);
        Ok(100 + self.last)
    }
}

impl Backend for Fake {
    type Cap = Cap;

    fn spawn(&mut self, order: &Order, caps: Vec<Cap>) -> Result<u32, Error> {
        let pid = self.make()?;
        self.log
            .push(format!("spawn {:?} {caps:?} = {pid}", order.args));
        Ok(pid)
    }

    fn spawn_service(&mut self, service: Service) -> Result<u32, Error> {
        let pid = self.make()?;
        self.log.push(format!("service {} = {pid}", service.0));
        Ok(pid)
    }

    fn service_ended(&mut self, service: Service) {
        self.log.push(format!("ended {}", service.0));
    }

    fn kill(&mut self, pid: u32) -> Result<(), Error> {
        self.log.push(format!("kill {pid}"));
        Ok(())
    }

    fn capabilities(&mut self, pid: u32, behind: u64) -> Result<Vec<Holding>, Error> {
        if !self.alive.contains(&pid) {
            return Err(ErrorCode::SpawnDomainNotfound.into());
        }
        let all = (behind + 1..4).map(|position| Holding {
            position,
            words: [u64::from(pid), 0, 0],
        });
        Ok(all.take(2).collect())
    }

    fn suspend(&mut self, pid: u32, suspended: bool) -> Result<(), Error> {
        self.log.push(format!("suspend {pid} {suspended}"));
        Ok(())
    }

    fn all(&mut self) -> Result<Vec<About>, Error> {
        let about = |pid: &u32| About {
            pid: *pid,
            parent: 3,
            core: 0,
            state: State::Running,
            name: format!("p{pid}"),
        };
        Ok(self.alive.iter().map(about).collect())
    }
}

type World = support::World<ProcessesServer<ProcessService<Fake>>>;

fn planned(number: u32, name: &str, ready: Ready, needs: &[u32], is_operator: bool) -> Planned {
    let need = |on: &u32| Need {
        on: Service(*on),
        kind: NeedKind::After,
    };
    Planned {
        name: name.into(),
        definition: Definition {
            service: Service(number),
            policy: POLICY,
            needs: needs.iter().map(need).collect(),
        },
        ready,
        is_operator,
    }
}

impl Domain for ProcessesServer<ProcessService<Fake>> {
    type Cap = Cap;
    type Client = Client;

    async fn bind(transport: Transport<Cap>, limits: Limits) -> Result<Client, Error> {
        Client::bind(transport, limits).await
    }

    fn opened(&mut self, connection: u64, pid: u32) -> Result<(), Error> {
        self.0.opened(connection, pid)
    }

    fn between(&mut self, now: &mut u64) -> Vec<Finished<Cap>> {
        self.0.set_time(*now);
        self.0.take_finished()
    }
}

fn world(plan: Vec<Planned>) -> World {
    let fake = Fake {
        alive: BTreeSet::from([1, 50, 51, 52]),
        ..Fake::default()
    };
    World::of(ProcessesServer(
        ProcessService::new(fake, plan, 1_000).unwrap(),
    ))
}

fn bare() -> World {
    world(Vec::new())
}

/// What the backend was asked since.
fn log(world: &mut World) -> Vec<String> {
    std::mem::take(&mut world.service.0.backend.log)
}

fn end(world: &mut World, pid: u32, status: u8) {
    world.service.0.backend.alive.remove(&pid);
    world.service.0.exited(Ended {
        pid,
        status,
        why: String::new(),
    });
    world.round();
}

fn order(name: &str) -> Order {
    Order {
        args: vec![name.into()],
        ..Order::default()
    }
}

#[test]
fn a_process_is_started_and_its_end_is_told_once() {
    let mut world = bare();
    let shell = world.client(50);
    let pid = world.ask(shell.spawn(order("hello"), vec![7, 8])).unwrap();
    assert_eq!(log(&mut world), ["spawn [\"hello\"] [7, 8] = 101"]);
    assert_eq!(world.ask(shell.name(pid)).unwrap(), "hello");
    assert_eq!(world.ask(shell.name(51)).unwrap(), "p51");
    refused(world.ask(shell.name(9)), ErrorCode::SpawnDomainNotfound);
    let pids = world.ask(shell.pids()).unwrap();
    assert_eq!(pids, [1, 50, 51, 52, 101]);
    let all = world.ask(shell.all()).unwrap();
    assert_eq!((all[4].parent, all[4].name.as_str()), (50, "hello"));
    assert_eq!(all[0].parent, 3);
    end(&mut world, pid, 3);
    assert_eq!(world.ask(shell.wait(pid)).unwrap().status, 3);
    refused(world.ask(shell.wait(pid)), ErrorCode::SpawnDomainNotfound);
}

#[test]
fn who_waits_hears_of_the_end_when_it_comes() {
    let mut world = bare();
    let shell = world.client(50);
    let pid = world.ask(shell.spawn(order("hello"), vec![])).unwrap();
    let mut first = pin!(shell.wait(pid));
    let mut second = pin!(shell.wait(pid));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    world.round();
    end(&mut world, pid, 0);
    assert_eq!(world.ask(first).unwrap().status, 0);
    refused(world.ask(second), ErrorCode::SpawnDomainNotfound);
}

#[test]
fn only_whose_it_is_and_operators_have_power_over_a_process() {
    let mut world = bare();
    let shell = world.client(50);
    let other = world.client(51);
    let pid = world.ask(shell.spawn(order("hello"), vec![])).unwrap();
    for result in [
        world.ask(other.kill(pid)),
        world.ask(other.suspend(pid)),
        world.ask(other.resume(pid)),
        world.ask(other.detach(pid)),
        world.ask(other.wait(pid)).map(drop),
        // init
        world.ask(shell.kill(1)),
    ] {
        refused(result, ErrorCode::SpawnDomainNotfound);
    }
    refused(world.ask(other.start("x")), ErrorCode::ProcMgmtNotOperator);
    refused(world.ask(other.stop("x")), ErrorCode::ProcMgmtNotOperator);
    log(&mut world);
    world.ask(shell.suspend(pid)).unwrap();
    world.ask(shell.resume(pid)).unwrap();
    world.ask(shell.kill(pid)).unwrap();
    world.service.0.add_operator(51);
    world.ask(other.kill(pid)).unwrap();
    refused(world.ask(other.kill(1)), ErrorCode::SpawnDomainNotfound);
    refused(
        world.ask(other.start("x")),
        ErrorCode::SuperviseUnknownService,
    );
    assert_eq!(
        log(&mut world),
        [
            "suspend 101 true",
            "suspend 101 false",
            "kill 101",
            "kill 101"
        ]
    );
}

#[test]
fn capabilities_are_told_to_whose_a_process_is_and_to_operators() {
    let mut world = bare();
    let shell = world.client(50);
    let other = world.client(51);
    let pid = world.ask(shell.spawn(order("hello"), vec![])).unwrap();
    let first = world.ask(shell.capabilities(pid, 0)).unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!((first[1].position, first[1].words), (2, [pid.into(), 0, 0]));
    assert_eq!(world.ask(shell.capabilities(pid, 2)).unwrap().len(), 1);
    assert_eq!(world.ask(shell.capabilities(pid, 3)), Ok(Vec::new()));
    // One's own.
    assert_eq!(world.ask(shell.capabilities(50, 0)).unwrap().len(), 2);
    for of in [pid, 50, 1, 99] {
        let refusal = world.ask(other.capabilities(of, 0));
        refused(refusal, ErrorCode::ProcMgmtNotOperator);
    }
    world.service.0.add_operator(51);
    for of in [pid, 50, 1] {
        assert_eq!(world.ask(other.capabilities(of, 0)).unwrap().len(), 2);
    }
    let refusal = world.ask(other.capabilities(99, 0));
    refused(refusal, ErrorCode::SpawnDomainNotfound);
    // Not one's own any more.
    world.ask(shell.detach(pid)).unwrap();
    let refusal = world.ask(shell.capabilities(pid, 0));
    refused(refusal, ErrorCode::ProcMgmtNotOperator);
}

#[test]
fn what_a_process_has_started_stands_still_with_it() {
    let mut world = bare();
    let shell = world.client(50);
    let one = world.ask(shell.spawn(order("one"), vec![])).unwrap();
    let two = world.ask(shell.spawn(order("two"), vec![])).unwrap();
    let child = world.client(one);
    let below = world.ask(child.spawn(order("below"), vec![])).unwrap();
    let free = Order {
        detached: true,
        ..order("free")
    };
    world.ask(child.spawn(free, vec![])).unwrap();
    log(&mut world);
    world.ask(shell.suspend(one)).unwrap();
    world.ask(shell.resume(one)).unwrap();
    world.ask(shell.suspend(two)).unwrap();
    let expected = [
        format!("suspend {one} true"),
        format!("suspend {below} true"),
        format!("suspend {one} false"),
        format!("suspend {below} false"),
        format!("suspend {two} true"),
    ];
    assert_eq!(log(&mut world), expected);
}

#[test]
fn only_operators_may_end_the_server_itself() {
    let mut world = bare();
    world.service.0.own = 2;
    let (shell, other) = (world.client(50), world.client(51));
    world.service.0.add_operator(51);
    refused(world.ask(shell.kill(2)), ErrorCode::SpawnDomainNotfound);
    refused(world.ask(other.suspend(2)), ErrorCode::SpawnDomainNotfound);
    world.ask(other.kill(2)).unwrap();
    assert_eq!(log(&mut world), ["kill 2"]);
}

#[test]
fn what_belongs_to_a_dead_process_ends_unless_it_is_detached() {
    let mut world = bare();
    let shell = world.client(50);
    let one = world.ask(shell.spawn(order("one"), vec![])).unwrap();
    let two = world.ask(shell.spawn(order("two"), vec![])).unwrap();
    let free = Order {
        detached: true,
        ..order("free")
    };
    let free = world.ask(shell.spawn(free, vec![])).unwrap();
    world.ask(shell.detach(two)).unwrap();
    refused(world.ask(shell.wait(two)), ErrorCode::SpawnDomainNotfound);
    refused(world.ask(shell.wait(free)), ErrorCode::SpawnDomainNotfound);
    // A child has children.
    let child = world.client(one);
    let below = world.ask(child.spawn(order("below"), vec![])).unwrap();
    log(&mut world);
    // The connection is closed, the process lives on.
    drop(shell);
    world.close(1);
    world.now = 2_000;
    world.round();
    assert_eq!(log(&mut world), [""; 0]);
    // Now it is dead.
    world.service.0.backend.alive.remove(&50);
    world.now = 4_000;
    world.round();
    assert_eq!(log(&mut world), [format!("kill {one}")]);
    end(&mut world, one, 128);
    assert_eq!(log(&mut world), [format!("kill {below}")]);
    // Then nobody is left of whom it would have to be asked.
    world.now = 5_000;
    world.round();
    assert_eq!(world.service.0.next_deadline(), None);
}

#[test]
fn there_are_bounds() {
    let mut world = bare();
    let shell = world.client(50);
    for _ in 0..24 {
        world.ask(shell.spawn(order("x"), vec![])).unwrap();
    }
    // One cannot have all of them.
    let refusal = world.ask(shell.spawn(order("x"), vec![]));
    refused(refusal, ErrorCode::ProcMgmtTooMany);
    for (pid, count) in [(51, 24), (52, 16)] {
        let other = world.client(pid);
        for _ in 0..count {
            world.ask(other.spawn(order("x"), vec![])).unwrap();
        }
        let refusal = world.ask(other.spawn(order("x"), vec![]));
        refused(refusal, ErrorCode::ProcMgmtTooMany);
    }
    let elsewhere = Order {
        core: 1,
        ..order("x")
    };
    end(&mut world, 101, 0);
    refused(
        world.ask(shell.spawn(elsewhere, vec![])),
        ErrorCode::ProcMgmtInvalidSpawnd,
    );
    // Ends that nobody asks for: the oldest is forgotten.
    for pid in 102..=124 {
        end(&mut world, pid, 0);
    }
    for _ in 0..42 {
        let pid = world.ask(shell.spawn(order("x"), vec![])).unwrap();
        end(&mut world, pid, 0);
    }
    refused(world.ask(shell.wait(101)), ErrorCode::SpawnDomainNotfound);
    refused(world.ask(shell.wait(102)), ErrorCode::SpawnDomainNotfound);
    world.ask(shell.wait(103)).unwrap();
    world.ask(shell.wait(166)).unwrap();
    let mut opened = (0..).map(|n| world.service.0.opened(1_000 + n, 1_000 + n as u32));
    let refusal = opened.find(Result::is_err).unwrap();
    refused(refusal, ErrorCode::ProcMgmtCreateClientsTable);
}

#[test]
fn services_are_started_in_order_and_started_again() {
    let mut world = world(vec![
        planned(0, "nameserver", Ready::NameServer, &[], false),
        planned(
            1,
            "files",
            Ready::Named("service/files".into()),
            &[0],
            false,
        ),
        planned(2, "shell", Ready::Started, &[1], true),
    ]);
    world.service.0.start_all();
    assert_eq!(log(&mut world), ["service 0 = 101"]);
    world.service.0.name_server_is_there();
    assert_eq!(log(&mut world), ["service 1 = 102"]);
    // Somebody else of that name does not count.
    world.service.0.registered("service/files", 50);
    world.service.0.registered("service/other", 102);
    assert_eq!(log(&mut world), [""; 0]);
    world.service.0.registered("service/files", 102);
    assert_eq!(log(&mut world), ["service 2 = 103"]);
    let shell = world.client(103);
    let states = world.ask(shell.services()).unwrap();
    let states: Vec<_> = states
        .iter()
        .map(|one| (one.name.as_str(), one.pid, one.state.as_str()))
        .collect();
    assert_eq!(
        states,
        [
            ("nameserver", 101, "running"),
            ("files", 102, "running"),
            ("shell", 103, "running")
        ]
    );
    // It crashes, and comes back.
    end(&mut world, 102, 129);
    assert_eq!(log(&mut world), ["ended 1"]);
    assert_eq!(world.service.0.next_deadline(), Some(10));
    world.now = 10;
    world.round();
    assert_eq!(log(&mut world), ["service 1 = 104"]);
    // It is not ready in time.
    world.now = 60;
    world.round();
    assert_eq!(log(&mut world), ["kill 104"]);
    end(&mut world, 104, 128);
    assert_eq!(log(&mut world), ["ended 1"]);
    // It cannot be started.
    world.service.0.backend.refuses = true;
    world.now = 100;
    world.round();
    assert_eq!(log(&mut world), ["ended 1"]);
    let states = world.ask(shell.services()).unwrap();
    assert_eq!(
        (states[1].state.as_str(), states[1].pid, states[1].restarts),
        ("failed too often", 0, 2)
    );
    let lives = world.service.0.take_lives();
    let last = lives.last().unwrap();
    assert!(last.error.is_some());
    let text = last.to_string();
    assert!(
        text.starts_with("files: failed too often, as it could not be started: "),
        "{text}"
    );
    // An operator starts and stops it.
    world.service.0.backend.refuses = false;
    world.ask(shell.start("files")).unwrap();
    assert_eq!(log(&mut world), ["service 1 = 105"]);
    world.service.0.registered("service/files", 105);
    world.ask(shell.stop("files")).unwrap();
    // Who needs it goes first.
    assert_eq!(log(&mut world), ["kill 103"]);
    end(&mut world, 103, 128);
    assert_eq!(log(&mut world), ["ended 2", "kill 105"]);
}
