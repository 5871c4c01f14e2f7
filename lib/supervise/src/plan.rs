//! What services need, and in which order that is started.

use crate::error::Error;
use crate::policy::Policy;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// So many services there may be.
pub const MAX_SERVICES: usize = 64;

/// So many others one service may need.
pub const MAX_NEEDS: usize = 16;

/// A service; the server gives the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Service(pub u32);

/// How one service needs another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NeedKind {
    /// It is started when the other one is ready, or has ended well. What happens to that afterwards it copes with itself.
    After,
    /// It is started when the other one is ready, is ended when that one ends, and restarted with it.
    With,
}

/// That a service needs another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Need {
    /// The other one.
    pub on: Service,
    /// How.
    pub kind: NeedKind,
}

/// A service and its rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Definition {
    /// Which one.
    pub service: Service,
    /// When it is restarted.
    pub policy: Policy,
    /// What it needs.
    pub needs: Vec<Need>,
}

/// Puts services in an order in which everything comes behind what it needs, else as given.
pub(crate) fn order(definitions: &[Definition]) -> Result<Vec<Service>, Error> {
    if definitions.len() > MAX_SERVICES {
        return Err(Error::TooManyServices);
    }
    let mut needs = BTreeMap::new();
    for definition in definitions {
        let service = definition.service;
        if definition.needs.len() > MAX_NEEDS {
            return Err(Error::TooManyNeeds(service));
        }
        let on: Vec<Service> = definition.needs.iter().map(|need| need.on).collect();
        if needs.insert(service, on).is_some() {
            return Err(Error::ServiceExists(service));
        }
    }
    for (&service, on) in &needs {
        if let Some(&need) = on.iter().find(|need| !needs.contains_key(need)) {
            return Err(Error::UnknownNeed { service, need });
        }
    }
    let mut order = Vec::new();
    let mut placed = BTreeSet::new();
    while placed.len() < definitions.len() {
        let before = placed.len();
        for service in definitions.iter().map(|definition| definition.service) {
            let ready = needs
                .get(&service)
                .is_some_and(|on| on.iter().all(|need| placed.contains(need)));
            if ready && placed.insert(service) {
                order.push(service);
            }
        }
        if placed.len() == before {
            return Err(Error::Cycle(circle(&needs, &placed)));
        }
    }
    Ok(order)
}

/// A circle among those that are not placed: each of them needs another one that is not.
fn circle(needs: &BTreeMap<Service, Vec<Service>>, placed: &BTreeSet<Service>) -> Vec<Service> {
    let mut path: Vec<Service> = Vec::new();
    let mut next = needs.keys().find(|service| !placed.contains(service));
    while let Some(service) = next {
        if let Some(start) = path.iter().position(|one| one == service) {
            return path.split_off(start);
        }
        path.push(*service);
        next = needs
            .get(service)
            .and_then(|on| on.iter().find(|need| !placed.contains(need)));
    }
    path
}
