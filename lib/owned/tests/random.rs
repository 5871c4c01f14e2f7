//! Random programs: whatever is allocated, copied, carved, split, retyped, mapped, given away, revoked and dropped, the books
//! agree with the values that are there, and in the end nothing is left.

#[cfg(test)]
mod model;

#[cfg(test)]
mod random {
    use super::model::{Cap, Mapped, Model};
    use kpi::cap::{Frame, Ram, VNodeAarch64L3};
    use kpi::rights::PageFlags;
    use owned::{Which, give};
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    /// What a program holds.
    enum Value {
        Ram(Cap<Ram>),
        Frame(Cap<Frame>),
        Table(Cap<VNodeAarch64L3>),
        Mapped(Mapped<Frame>),
    }

    #[derive(Clone, Debug)]
    enum Step {
        Alloc(u64),
        Frame(u64),
        Copy(usize),
        Carve(usize, u64, u64),
        Split(usize, u64),
        Retype(usize, bool),
        Map(usize),
        Unmap(usize),
        Give(usize),
        Revoke(usize),
        Delete(usize),
        Drop(usize),
        Reap(usize),
        Full(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        let pages = 1u64..6;
        let index = 0usize..16;
        prop_oneof![
            pages.clone().prop_map(Step::Alloc),
            pages.clone().prop_map(Step::Frame),
            index.clone().prop_map(Step::Copy),
            (index.clone(), 0u64..6, pages).prop_map(|(a, b, c)| Step::Carve(a, b, c)),
            (index.clone(), 0u64..6).prop_map(|(a, b)| Step::Split(a, b)),
            (index.clone(), any::<bool>()).prop_map(|(a, b)| Step::Retype(a, b)),
            index.clone().prop_map(Step::Map),
            index.clone().prop_map(Step::Unmap),
            index.clone().prop_map(Step::Give),
            index.clone().prop_map(Step::Revoke),
            index.clone().prop_map(Step::Delete),
            index.prop_map(Step::Drop),
            (0usize..5).prop_map(Step::Reap),
            any::<bool>().prop_map(Step::Full),
        ]
    }

    /// Takes a value out, if there is one of that number.
    fn take(values: &mut Vec<Value>, index: usize) -> Option<Value> {
        (index < values.len()).then(|| values.swap_remove(index))
    }

    /// Runs a step; what the space refuses changes nothing.
    fn run(model: Model, values: &mut Vec<Value>, step: Step) {
        match step {
            Step::Alloc(pages) => {
                values.extend(Cap::alloc(pages * PAGE).ok().map(Value::Ram));
            }
            Step::Frame(pages) => {
                values.extend(Cap::alloc(pages * PAGE).ok().map(Value::Frame));
            }
            Step::Copy(index) => {
                let copy = match values.get(index) {
                    Some(Value::Ram(ram)) => ram.copy().ok().map(|it| Value::Ram(it.detach())),
                    Some(Value::Frame(frame)) => {
                        frame.copy().ok().map(|it| Value::Frame(it.detach()))
                    }
                    Some(Value::Mapped(mapped)) => {
                        mapped.cap().copy().ok().map(|it| Value::Frame(it.detach()))
                    }
                    _ => None,
                };
                values.extend(copy);
            }
            Step::Carve(index, offset, pages) => {
                let part = match values.get(index) {
                    Some(Value::Ram(ram)) => {
                        let part = ram.carve(offset * PAGE, pages * PAGE);
                        part.ok().map(|it| Value::Frame(it.detach()))
                    }
                    _ => None,
                };
                values.extend(part);
            }
            Step::Split(index, at) => match take(values, index) {
                Some(Value::Ram(ram)) => match ram.split(at * PAGE) {
                    Ok((one, two)) => values.extend([Value::Ram(one), Value::Ram(two)]),
                    Err(refused) => values.push(Value::Ram(refused.cap)),
                },
                other => values.extend(other),
            },
            Step::Retype(index, table) => match (take(values, index), table) {
                (Some(Value::Ram(ram)), true) => match ram.retype() {
                    Ok(table) => values.push(Value::Table(table)),
                    Err(refused) => values.push(Value::Ram(refused.cap)),
                },
                (Some(Value::Ram(ram)), false) => match ram.retype() {
                    Ok(frame) => values.push(Value::Frame(frame)),
                    Err(refused) => values.push(Value::Ram(refused.cap)),
                },
                (other, _) => values.extend(other),
            },
            Step::Map(index) => match take(values, index) {
                Some(Value::Frame(frame)) => match frame.map(PageFlags::READ_WRITE) {
                    Ok(mapped) => values.push(Value::Mapped(mapped)),
                    Err(refused) => values.push(Value::Frame(refused.cap)),
                },
                other => values.extend(other),
            },
            Step::Unmap(index) => match take(values, index) {
                Some(Value::Mapped(mapped)) => match mapped.unmap() {
                    Ok(frame) => values.push(Value::Frame(frame)),
                    Err(refused) => values.push(Value::Mapped(refused.cap)),
                },
                other => values.extend(other),
            },
            Step::Give(index) => match take(values, index) {
                Some(Value::Frame(frame)) => {
                    if let Err(refused) = give(1, &[], frame) {
                        values.push(Value::Frame(refused.cap));
                    }
                }
                other => values.extend(other),
            },
            Step::Revoke(index) => {
                if let Some(Value::Ram(ram)) = values.get_mut(index) {
                    let _ = ram.revoke();
                }
            }
            Step::Delete(index) => match take(values, index) {
                Some(Value::Ram(ram)) => ram.delete().unwrap(),
                Some(Value::Frame(frame)) => frame.delete().unwrap(),
                Some(Value::Table(table)) => table.delete().unwrap(),
                other => values.extend(other),
            },
            Step::Drop(index) => drop(take(values, index)),
            Step::Reap(limit) => {
                owned::reap(&model, limit, Which::New);
            }
            Step::Full(full) => model.endpoint_full(full),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn live_slots_are_live_values(steps in prop::collection::vec(step(), 1..80)) {
            let model = Model::start();
            let mut values = Vec::new();
            for step in steps {
                run(model, &mut values, step);
                let (live, dead) = model.books();
                prop_assert_eq!(live, values.len());
                prop_assert_eq!(model.slots(), live + dead);
                prop_assert!(model.capabilities() <= live + dead);
            }
            let mapped = values.iter().filter(|it| matches!(it, Value::Mapped(_))).count();
            prop_assert!(model.mappings() <= mapped + model.books().1);
            drop(values);
            prop_assert_eq!(model.reap().refused, 0);
            prop_assert_eq!(model.books(), (0, 0));
            prop_assert_eq!((model.slots(), model.capabilities(), model.mappings()), (0, 0, 0));
        }
    }
}
