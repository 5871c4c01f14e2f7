//! The services of the boot menu. A line that is wrong is named on the console and left out, and so is all that needs it: the others are started.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use aos::boot::Boot;
use aos::{Error, names, println, time};
use services::process::{Planned, Ready};
use supervise::lines::{self, Line, LineError};
use supervise::{MAX_SERVICES, Supervisor};

/// What is to run.
pub struct Plan {
    /// As the menu says it; its place is a service's number.
    pub lines: Vec<Line>,
    /// The same for the service.
    pub services: Vec<Planned>,
}

/// Reads the menu.
pub fn read(boot: &Boot) -> Plan {
    let mut lines = Vec::new();
    for module in boot.modules() {
        let name = module.name();
        // What does not split into words is not supervised: init has said so.
        let words = module.words().unwrap_or_default();
        match Line::parse(name, &words) {
            Ok(None) => {}
            Ok(Some(_)) if lines.len() >= MAX_SERVICES => println!(
                "spawnd: {name}: there are {MAX_SERVICES} services already, it is left out"
            ),
            Ok(Some(line)) => match with_checked_name(line) {
                Ok(line) => lines.push(line),
                Err(error) => println!("spawnd: {name}: {error}; the service is left out"),
            },
            Err(error) => println!("spawnd: {name}: {error}; the service is left out"),
        }
    }
    loop {
        match lines::definitions(&lines, time::frequency()) {
            Ok(definitions) => match Supervisor::new(definitions.clone()) {
                Ok(_) => {
                    let services = definitions.into_iter().zip(&lines);
                    let services = services.map(|(definition, line)| Planned {
                        name: line.name.clone(),
                        definition,
                        ready: line.ready.clone(),
                        is_operator: line.is_operator,
                    });
                    let services = services.collect();
                    return Plan { lines, services };
                }
                Err(error) => {
                    println!("spawnd: {error}; no service is started");
                    lines.clear();
                }
            },
            Err(error) => {
                println!("spawnd: {error}; it is left out");
                let wrong = match &error {
                    LineError::NoService { service, .. } => {
                        lines.iter().position(|line| line.name == *service)
                    }
                    LineError::Twice(name) => lines.iter().rposition(|line| line.name == *name),
                    _ => None,
                };
                match wrong {
                    Some(wrong) => drop(lines.remove(wrong)),
                    None => lines.clear(),
                }
            }
        }
    }
}

/// With the name that it is ready by as the name server writes it.
fn with_checked_name(mut line: Line) -> Result<Line, Error> {
    if let Ready::Named(name) = &mut line.ready {
        *name = names::name(name)?.to_string();
    }
    Ok(line)
}

/// The names that services are ready by.
pub fn names(services: &[Planned]) -> Vec<String> {
    let named = services.iter().filter_map(|service| match &service.ready {
        Ready::Named(name) => Some(name.clone()),
        _ => None,
    });
    named.collect()
}
