//! A notice's signature: HMAC-SHA256 over version, time, record and text, by a version of the
//! webhook's secret.
//!
//! Whoever sends it is known by nothing else. It is compared in constant time, and counts for
//! [`NOTICE_LIFE`] by the receiver's clock. Inside that time it can be sent again, and says again
//! what it said: a notice sets a record's text, so one that comes late or twice undoes what came
//! between, and nothing here keeps an order. Invariant: a notice by
//! a version that is not held here is taken by nobody.

use std::time::Duration;

use ca::clock::Time;
use ca::secrets::{Held, SecretKey};
use proto::records::v1::Notice;
use ring::hmac::{HMAC_SHA256, Key, sign, verify};

use super::NOTICE_LIFE;
use crate::refusal::Refusal;

/// What every signed text begins with: another use of the secret signs something else.
const PURPOSE: &[u8] = b"schism: a notice, 1\0";

/// A notice that says this of a record now, signed by the version that is active; nothing if none
/// is held.
pub fn signed(held: &Held, id: &str, text: &str, now: Time) -> Option<Notice> {
    let version = held.active?;
    let key = held.versions.get(&version)?;
    let mut notice = Notice {
        id: id.to_owned(),
        text: text.to_owned(),
        version,
        sent_us: now.as_micros(),
        mac: Vec::new(),
    };
    let mac = sign(&hmac(key), &signed_text(&notice));
    notice.mac = mac.as_ref().to_vec();
    Some(notice)
}

/// Whether a notice is to be taken now.
///
/// # Errors
/// When its version is not held, it is not signed by it, or it is not of now.
pub fn judge(held: &Held, notice: &Notice, now: Time, tolerance: Duration) -> Result<(), Refusal> {
    let key = held.versions.get(&notice.version);
    let key = key.ok_or(Refusal::SecretUnknown)?;
    // Before its time is believed: that, too, is only what was signed.
    let genuine = verify(&hmac(key), &signed_text(notice), &notice.mac);
    genuine.map_err(|_| Refusal::NoticeForged)?;
    let sent = Time::from_micros(notice.sent_us);
    let timely = now.since(sent) <= NOTICE_LIFE + tolerance && sent.since(now) <= tolerance;
    timely.then_some(()).ok_or(Refusal::NoticeStale)
}

fn hmac(key: &SecretKey) -> Key {
    Key::new(HMAC_SHA256, key.bytes())
}

/// Each part with its length: no two notices sign the same text.
fn signed_text(notice: &Notice) -> Vec<u8> {
    let mut text = PURPOSE.to_vec();
    text.extend(notice.version.to_be_bytes());
    text.extend(notice.sent_us.to_be_bytes());
    for part in [&notice.id, &notice.text] {
        text.extend((part.len() as u64).to_be_bytes());
        text.extend(part.as_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::held;
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const TOLERANCE: Duration = Duration::from_millis(500);

    fn judged(held: &Held, notice: &Notice, now: Time) -> Result<(), Refusal> {
        judge(held, notice, now, TOLERANCE)
    }

    #[test]
    fn a_notice_by_a_version_that_is_held_is_taken_and_by_no_other() {
        let sender = held(2, &[1, 2]);
        let notice = signed(&sender, "results", "potassium 4.1", NOW).unwrap();
        assert_eq!(notice.version, 2, "the active one signs");
        assert_eq!(judged(&sender, &notice, NOW), Ok(()));
        // It holds the next before it is used, and the last for as long as it is not withdrawn.
        assert_eq!(judged(&held(1, &[1, 2]), &notice, NOW), Ok(()));
        assert_eq!(judged(&held(3, &[2, 3]), &notice, NOW), Ok(()));
        for without in [held(1, &[1]), held(3, &[3]), Held::default()] {
            let refused = judged(&without, &notice, NOW);
            assert_eq!(refused, Err(Refusal::SecretUnknown));
        }
        assert_eq!(signed(&Held::default(), "results", "x", NOW), None);
    }

    #[test]
    fn nothing_of_a_notice_can_be_changed() {
        let held = held(1, &[1, 2]);
        let good = signed(&held, "results", "potassium 4.1", NOW).unwrap();
        let change = |change: fn(&mut Notice)| {
            let mut notice = good.clone();
            change(&mut notice);
            judged(&held, &notice, NOW)
        };
        for changed in [
            change(|it| it.text.push('9')),
            change(|it| it.id.push('9')),
            change(|it| (it.id, it.text) = ("resultsp".into(), "otassium 4.1".into())),
            change(|it| it.version = 2),
            change(|it| it.sent_us += 1),
            change(|it| it.mac[0] ^= 1),
            change(|it| it.mac.truncate(31)),
            change(|it| it.mac.clear()),
        ] {
            assert_eq!(changed, Err(Refusal::NoticeForged));
        }
    }

    #[test]
    fn a_notice_counts_for_its_time_and_no_longer() {
        let held = held(1, &[1]);
        let notice = signed(&held, "results", "x", NOW).unwrap();
        let at = |now| judged(&held, &notice, now);
        assert_eq!(at(NOW + NOTICE_LIFE + TOLERANCE), Ok(()));
        let second = Duration::from_secs(1);
        assert_eq!(at(NOW + NOTICE_LIFE + second), Err(Refusal::NoticeStale));
        assert_eq!(at(NOW - TOLERANCE), Ok(()));
        assert_eq!(at(NOW - second), Err(Refusal::NoticeStale));
    }
}
