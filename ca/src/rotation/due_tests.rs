//! Claims about the schedule: when what is due, and what is an alarm.

use super::*;
use crate::rotation::AuthorityKind::{Jwt, Root, X509};
use crate::rotation::sample::{
    ISSUER_TTL, ROOT_TTL, START, Sample, TOKEN_LEEWAY, TOKEN_LIFE, member,
};

const BACKDATE: Duration = Duration::from_secs(3_600);

fn schedule() -> Schedule {
    Schedule {
        root: Timing::by_lifetime(ROOT_TTL, BACKDATE),
        x509: Timing::by_lifetime(ISSUER_TTL, BACKDATE),
        jwt: Timing::by_lifetime(ISSUER_TTL, BACKDATE),
    }
}

fn told(commands: &[Command]) -> Vec<String> {
    let told = commands.iter().map(|command| {
        assert_eq!(command.override_reason, None, "a schedule never overrides");
        let id = match &command.act {
            Act::Activate { id: Some(id), .. } | Act::Revoke { id, .. } => format!(" {id}"),
            _ => String::new(),
        };
        format!("{} {}{id}", command.act.word(), command.act.kind())
    });
    told.collect()
}

impl Sample {
    fn at(&mut self, secs: u64) -> &mut Self {
        self.now = START + Duration::from_secs(secs);
        self
    }

    fn due(&self) -> Vec<String> {
        told(&due(&self.slots, &schedule(), self.now))
    }

    /// Does everything that is due, until nothing is or all of it is blocked.
    fn tick(&mut self, schedule: &Schedule) {
        loop {
            let commands = due(&self.slots, schedule, self.now);
            let done = commands.iter().any(|command| self.command(command).is_ok());
            if !done {
                return;
            }
        }
    }
}

#[test]
fn the_schedule_sets_a_ca_up() {
    let mut sample = Sample::empty();
    assert_eq!(sample.due(), ["prepare root", "prepare jwt"]);
    sample.tick(&schedule());
    for kind in AuthorityKind::OWN {
        assert_eq!(sample.slots.signer(kind).unwrap().id, 1);
    }
    assert_eq!(sample.due(), [""; 0]);
}

#[test]
fn a_successor_is_prepared_at_half_of_life_and_takes_over_when_a_sixth_is_left() {
    let mut sample = Sample::set_up();
    sample.at(299);
    assert_eq!(sample.due(), [""; 0]);
    sample.at(300);
    assert_eq!(sample.due(), ["prepare x509", "prepare jwt"]);
    sample.prepare(X509);
    sample.prepare(Jwt);
    assert_eq!(sample.at(499).due(), [""; 0]);
    assert_eq!(sample.at(500).due(), ["activate x509 2", "activate jwt 2"]);
    sample.activate(X509);
    sample.activate(Jwt);
    assert_eq!(sample.at(549).due(), [""; 0]);
    assert_eq!(sample.at(550).due(), ["revoke x509 1", "revoke jwt 1"]);
    let root = "prepare root".to_owned();
    assert!(!sample.at(1_799).due().contains(&root));
    assert!(sample.at(1_800).due().contains(&root));
}

#[test]
fn a_lead_is_a_part_of_life_but_no_longer_than_its_cap() {
    let sample = Sample::set_up();
    let issuer = sample.slots.get(X509, 1).unwrap();
    for (part, at_most, secs) in [(2, 600, 300), (2, 60, 540), (6, 600, 500), (0, 600, 600)] {
        let at_most = Duration::from_secs(at_most);
        let moment = Lead { part, at_most }.before_end_of(issuer);
        assert_eq!(moment, START + Duration::from_secs(secs), "1/{part}");
    }
}

#[test]
fn a_blocked_activation_is_due_again_and_an_alarm_in_time() {
    let mut sample = Sample::set_up();
    sample.at(300).prepare(X509);
    sample.at(480).joins("records", 1);
    sample
        .facts
        .members
        .get_mut(&member("records"))
        .unwrap()
        .acknowledged = Some(3);
    sample.at(500).tick(&schedule());
    assert_eq!(sample.due(), ["activate x509 2", "activate jwt 2"]);
    let alarms = |sample: &Sample| alarms(&sample.slots, &schedule(), &sample.facts, sample.now);
    assert_eq!(alarms(&sample), []);
    let alarm = &alarms(sample.at(550))[0];
    assert_eq!((alarm.kind, alarm.id), (X509, 1));
    assert_eq!(alarm.not_after, START + ISSUER_TTL);
    assert_eq!(alarm.obstacle.refusal, "blocked");
    assert_eq!(alarm.obstacle.blocked_by.len(), 1);
    assert_eq!(
        sample.slots.signer(X509).unwrap().id,
        1,
        "and nothing is forced"
    );
    sample.acknowledges("records");
    assert_eq!(alarms(&sample), [], "the next look will hand over");
    sample.tick(&schedule());
    assert_eq!(sample.slots.signer(X509).unwrap().id, 2);
}

#[test]
fn an_end_with_no_successor_is_an_alarm() {
    let mut sample = Sample::set_up();
    let by_hand = Timing::by_hand(ISSUER_TTL, BACKDATE);
    let schedule = Schedule {
        jwt: by_hand,
        ..schedule()
    };
    let alarms = |sample: &Sample| {
        let alarms = alarms(&sample.slots, &schedule, &sample.facts, sample.now);
        let told = alarms
            .iter()
            .map(|alarm| format!("{} {}: {}", alarm.kind, alarm.id, alarm.obstacle.refusal));
        told.collect::<Vec<_>>()
    };
    sample.at(300).rotate(X509);
    assert_eq!(alarms(sample.at(549)), [""; 0]);
    assert_eq!(alarms(sample.at(550)), ["jwt 1: nothing-prepared"]);
    assert!(
        due(&sample.slots, &schedule, sample.now)
            .iter()
            .all(|c| c.act.kind() != Jwt)
    );
    sample.prepare(Jwt);
    assert_eq!(alarms(&sample), ["jwt 1: by-hand"]);
    assert_eq!(
        alarms(sample.at(700)),
        ["jwt 1: by-hand"],
        "past the end still"
    );
    sample.activate(Jwt);
    assert_eq!(alarms(&sample), [""; 0]);
}

#[test]
fn what_was_rolled_back_by_hand_goes_forward_by_hand() {
    let mut sample = Sample::set_up();
    sample.at(300).prepare(X509);
    sample.at(500).activate(X509);
    sample.act(Act::RollBack { kind: X509 });
    sample.at(501);
    assert_eq!(sample.due(), ["prepare jwt"]);
    sample.at(550);
    let found = alarms(&sample.slots, &schedule(), &sample.facts, sample.now);
    assert_eq!(found[0].obstacle.refusal, "by-hand");
    sample.activate(X509);
    assert_eq!(sample.due(), ["prepare jwt"]);
}

#[test]
fn no_successor_is_prepared_that_would_not_outlive_the_last() {
    let mut sample = Sample::set_up();
    let end = ROOT_TTL.as_secs();
    sample.at(end - 300).rotate(X509);
    assert_eq!(
        sample.slots.signer(X509).unwrap().not_after,
        START + ROOT_TTL
    );
    let due = |sample: &Sample| {
        let due = sample.due();
        due.into_iter()
            .filter(|told| told.ends_with("x509"))
            .count()
    };
    assert_eq!(due(sample.at(end - 100)), 0, "its root ends with it");
    sample.rotate(Root);
    assert_eq!(due(&sample), 1);
    let mut shorter = schedule();
    shorter.x509 = Timing::by_lifetime(Duration::from_secs(60), BACKDATE);
    let mut sample = Sample::set_up();
    let x509 = |sample: &Sample| {
        let due = told(&super::due(&sample.slots, &shorter, sample.now));
        due.contains(&"prepare x509".to_owned())
    };
    assert!(!x509(sample.at(540)));
    assert_eq!(
        next_look(&sample.slots, &shorter, sample.now),
        Some(START + Duration::from_secs(541))
    );
    assert!(x509(sample.at(541)));
}

#[test]
fn an_expired_prepared_one_makes_room() {
    let mut sample = Sample::set_up();
    sample.prepare(Jwt);
    sample.act(Act::RollBack { kind: Jwt });
    sample.at(10).prepare(Jwt);
    sample.slots.signer(Jwt).unwrap();
    let end = sample.slots.prepared(Jwt).unwrap().not_after;
    sample.now = end + Duration::from_micros(1);
    assert!(sample.due().contains(&"revoke jwt 3".to_owned()));
    sample.tick(&schedule());
    assert_eq!(sample.slots.signer(Jwt).unwrap().id, 4);
}

#[test]
fn between_two_looks_nothing_becomes_due() {
    let mut sample = Sample::set_up();
    let schedule = schedule();
    let mut looks = 0;
    while sample.now < START + ROOT_TTL * 4 {
        sample.tick(&schedule);
        let next = next_look(&sample.slots, &schedule, sample.now).unwrap();
        let before = told(&due(&sample.slots, &schedule, sample.now));
        sample.now = next - Duration::from_micros(1);
        assert_eq!(sample.due(), before, "before {next}");
        sample.now = next;
        looks += 1;
        for kind in AuthorityKind::OWN {
            let signer = sample.slots.signer(kind).unwrap();
            assert!(!signer.expired(sample.now), "{kind} at {next}");
        }
    }
    assert!((50..1_000).contains(&looks), "{looks} looks");
    let (ended, token) = (
        sample.slots.of(Jwt).next().unwrap(),
        TOKEN_LIFE + TOKEN_LEEWAY,
    );
    assert!(ended.phase == Phase::Revoked || sample.now < ended.not_after + token);
}
