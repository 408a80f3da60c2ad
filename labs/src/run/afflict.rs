//! What goes wrong, and when: the schedule's faults as single blows on true time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::operator;
use super::world::{World, is_administration};
use crate::fabric::links::Cut;
use crate::fabric::post::Rule;
use crate::history::Fault;
use crate::scenario::{Act, How, Messages, Scenario};

/// One change to the world at one moment.
#[derive(Clone, Debug)]
pub(super) enum Blow {
    /// A step begins.
    Begin(usize),
    /// A step that lasts ends.
    End(usize),
}

/// Every blow of a schedule in order; at one moment, ends come before beginnings.
pub(super) fn blows(scenario: &Scenario) -> Vec<(Duration, Blow)> {
    let mut blows = Vec::new();
    for (number, step) in scenario.schedule.iter().enumerate() {
        if matches!(step.act, Act::Request { .. }) || is_administration(&step.act) {
            continue;
        }
        blows.push((step.at, 1, number, Blow::Begin(number)));
        if let Some(end) = step.ends() {
            blows.push((end, 0, number, Blow::End(number)));
        }
    }
    blows.sort_by_key(|(at, order, number, _)| (*at, *order, *number));
    blows
        .into_iter()
        .map(|(at, _, _, blow)| (at, blow))
        .collect()
}

/// The faults in force, and those that were.
#[derive(Default)]
pub(super) struct Afflictions {
    /// Cut links by the step that cut them.
    cuts: BTreeMap<usize, Vec<(String, String, Cut)>>,
    /// What history says of each step that cut something between regions.
    faults: BTreeMap<usize, Fault>,
}

impl Afflictions {
    /// Every partition there was, in the order of the schedule.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.faults.values().cloned().collect()
    }

    /// Strikes one blow.
    pub(super) fn strike(&mut self, world: &mut World, scenario: &Scenario, blow: &Blow) {
        let (Blow::Begin(number) | Blow::End(number)) = *blow;
        let Some(step) = scenario.schedule.get(number) else {
            return;
        };
        let ending = matches!(blow, Blow::End(_));
        let fabric = &mut world.fabric;
        match (&step.act, ending) {
            (
                Act::Partition {
                    between,
                    one_way,
                    how,
                },
                false,
            ) => {
                let name = step
                    .name
                    .clone()
                    .unwrap_or_else(|| format!("partition-{number}"));
                self.partition(world, number, name, (between, *one_way, *how));
            }
            (Act::Isolate { node }, false) => self.isolate(world, number, node),
            (Act::Partition { .. } | Act::Isolate { .. }, true) => self.mend(world, number),
            (Act::Heal, _) => {
                self.mend_where(world, |act| matches!(act, Act::Partition { .. }), scenario)
            }
            (Act::Rejoin { node }, _) => {
                let is = |act: &Act| matches!(act, Act::Isolate { node: cut } if cut == node);
                self.mend_where(world, is, scenario);
            }
            (Act::Hold(messages), false) => world.post.hold(rule(messages)),
            (Act::Hold(messages), true) | (Act::Release(messages), _) => {
                world.post.release(&rule(messages));
            }
            (Act::RevokeLeaf { .. } | Act::Order(_), _) => {
                // One that waits for an alarm is given when that comes.
                if !operator::waits_for_alarm(&step.act) {
                    operator::ask(&world.heard, &step.act, micros(fabric.elapsed()));
                }
            }
            (Act::Skew { node, by_ms }, false) => fabric.skew(node, by_ms * 1_000),
            (Act::Skew { node, .. }, true) | (Act::Sync { node }, _) => fabric.skew(node, 0),
            (Act::Slow { node, times }, false) => fabric.slow(node, *times),
            (Act::Slow { node, .. }, true) => fabric.slow(node, 1),
            (Act::Crash { node, power }, false) => {
                fabric.crash(node, *power);
                self.down(world, number, step.name.as_deref(), node);
            }
            (Act::Crash { node, .. }, true) | (Act::Restart { node }, _) => {
                fabric.restart(node);
                self.up(world, node);
            }
            (
                Act::Enrol { .. }
                | Act::Grant { .. }
                | Act::LogOut { .. }
                | Act::PutEntities { .. }
                | Act::PutPolicy { .. }
                | Act::Request { .. }
                | Act::Revoke { .. }
                | Act::Steal { .. },
                _,
            ) => {}
        }
    }

    fn partition(
        &mut self,
        world: &World,
        number: usize,
        name: String,
        (between, one_way, how): (&[Vec<String>], bool, How),
    ) {
        let cut = match how {
            How::Drop => Cut::Drop,
            How::Reset => Cut::Reset,
        };
        let side = |group: &[String]| -> Vec<String> {
            let stands = |(host, region): (&String, &String)| {
                (group.contains(region) || group.contains(host)).then(|| host.clone())
            };
            world.regions.iter().filter_map(stands).collect()
        };
        let mut cuts = Vec::new();
        for (at, from) in between.iter().enumerate() {
            for to in between.iter().skip(at + 1) {
                for a in side(from) {
                    for b in side(to) {
                        cuts.push((a.clone(), b.clone(), cut));
                        if !one_way {
                            cuts.push((b, a.clone(), cut));
                        }
                    }
                }
            }
        }
        let from_us = micros(world.fabric.elapsed());
        let fault = Fault {
            name,
            from_us,
            to_us: None,
            groups: between.to_vec(),
            one_way,
        };
        self.faults.insert(number, fault);
        self.cut(world, number, cuts);
    }

    fn isolate(&mut self, world: &World, number: usize, node: &str) {
        let others = world.regions.keys().filter(|other| *other != node);
        let both = |other: &String| {
            let (node, other) = (node.to_owned(), other.clone());
            [
                (node.clone(), other.clone(), Cut::Drop),
                (other, node, Cut::Drop),
            ]
        };
        self.cut(world, number, others.flat_map(both).collect());
    }

    /// A node that is down is away from everybody: that is shown as a cut is.
    fn down(&mut self, world: &World, number: usize, name: Option<&str>, node: &str) {
        let fault = Fault {
            name: name.map_or_else(|| format!("crash-{number}"), str::to_owned),
            from_us: micros(world.fabric.elapsed()),
            groups: vec![vec![node.to_owned()]],
            ..Fault::default()
        };
        self.faults.insert(number, fault);
    }

    fn up(&mut self, world: &World, node: &str) {
        let now = micros(world.fabric.elapsed());
        for fault in self
            .faults
            .values_mut()
            .filter(|fault| fault.to_us.is_none())
        {
            if fault.groups == [[node]] {
                fault.to_us = Some(now);
            }
        }
    }

    fn cut(&mut self, world: &World, number: usize, cuts: Vec<(String, String, Cut)>) {
        for (from, to, how) in &cuts {
            world.fabric.links.cut(from, to, *how);
        }
        self.cuts.insert(number, cuts);
    }

    /// Takes back what a step cut, if it is still cut.
    fn mend(&mut self, world: &World, number: usize) {
        let Some(cuts) = self.cuts.remove(&number) else {
            return;
        };
        for (from, to, how) in cuts {
            world.fabric.links.heal(&from, &to, how);
        }
        if let Some(fault) = self.faults.get_mut(&number) {
            fault.to_us = Some(micros(world.fabric.elapsed()));
        }
    }

    fn mend_where(&mut self, world: &World, is: impl Fn(&Act) -> bool, scenario: &Scenario) {
        let cut: Vec<usize> = self.cuts.keys().copied().collect();
        for number in cut {
            if scenario
                .schedule
                .get(number)
                .is_some_and(|step| is(&step.act))
            {
                self.mend(world, number);
            }
        }
    }
}

fn rule(messages: &Messages) -> Rule {
    let Messages { kind, from, to } = messages.clone();
    Rule { kind, from, to }
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
