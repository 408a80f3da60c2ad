//! A long update on the wire: parts that each fit a message, and only the last of which says what
//! the log signed.
//!
//! Parts prove nothing by themselves. They are put together, within bounds, and judged as one
//! update; a part that does not follow the one before it breaks the feed.

use proto::policy::v1::Update as WireUpdate;
use tonic::Status;

use super::update::MAX_UPDATE_ENTRIES;

/// The largest message of the feed that is taken, in bytes.
pub(super) const MAX_PART: usize = 16 * 1024 * 1024;
/// Bytes of entries that one part carries, unless a single one has more.
const PART: usize = 4 * 1024 * 1024;
/// Bytes of entries that are kept while the last part has not come.
const MAX_WHOLE: usize = 256 * 1024 * 1024;

/// An update in parts, in order. One that fits a message is its own only part.
pub(super) fn split(update: WireUpdate) -> Vec<WireUpdate> {
    let (mut from, mut parts, mut part, mut bytes) = (update.from, Vec::new(), Vec::new(), 0);
    for entry in update.entries {
        if !part.is_empty() && bytes + entry.len() > PART {
            let entries = std::mem::take(&mut part);
            let next = from + entries.len() as u64;
            parts.push(WireUpdate {
                from,
                entries,
                ..WireUpdate::default()
            });
            (from, bytes) = (next, 0);
        }
        bytes += entry.len();
        part.push(entry);
    }
    // The proof still starts where the whole does: `from` is put back when it is joined.
    parts.push(WireUpdate {
        from,
        entries: part,
        checkpoint: update.checkpoint,
        consistency: update.consistency,
    });
    parts
}

/// The parts that have come so far.
#[derive(Debug, Default)]
pub(super) struct Parts {
    from: u64,
    entries: Vec<Vec<u8>>,
    bytes: usize,
}

impl Parts {
    /// Takes the next part. Gives the whole update if it was the last.
    pub(super) fn take(&mut self, part: WireUpdate) -> Result<Option<WireUpdate>, Status> {
        if self.entries.is_empty() {
            self.from = part.from;
        } else if self.from + self.entries.len() as u64 != part.from {
            return Err(Status::data_loss("a part of an update is missing"));
        }
        self.bytes += part.entries.iter().map(Vec::len).sum::<usize>();
        self.entries.extend(part.entries);
        if self.bytes > MAX_WHOLE || self.entries.len() > MAX_UPDATE_ENTRIES {
            return Err(Status::resource_exhausted("an update without end"));
        }
        if part.checkpoint.is_empty() {
            return Ok(None);
        }
        let Self { from, entries, .. } = std::mem::take(self);
        Ok(Some(WireUpdate {
            from,
            entries,
            checkpoint: part.checkpoint,
            consistency: part.consistency,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(from: u64, entries: u64) -> WireUpdate {
        WireUpdate {
            from,
            entries: (0..entries).map(|n| vec![n as u8; PART / 3]).collect(),
            checkpoint: b"signed".to_vec(),
            consistency: vec![vec![1; 32]],
        }
    }

    #[test]
    fn what_was_split_is_joined_as_it_was() {
        for entries in [0, 1, 3, 4, 10] {
            let (whole, mut parts) = (update(7, entries), Parts::default());
            // Twice: as the courier may carry it.
            for _ in 0..2 {
                let mut joined = split(whole.clone()).into_iter().map(|part| {
                    let bytes: usize = part.entries.iter().map(Vec::len).sum();
                    assert!(bytes <= PART);
                    parts.take(part).unwrap()
                });
                let last = joined.by_ref().find(Option::is_some).flatten();
                assert_eq!(last, Some(whole.clone()));
                assert_eq!(joined.next(), None, "the last part alone completes it");
            }
        }
    }

    #[test]
    fn a_missing_part_and_an_endless_update_break_the_feed() {
        let mut gap = split(update(7, 10));
        gap.remove(1);
        let mut parts = Parts::default();
        assert_eq!(parts.take(gap.remove(0)).unwrap(), None);
        assert!(parts.take(gap.remove(0)).is_err());
        let mut parts = Parts::default();
        let endless = (0_u64..).map(|n| WireUpdate {
            from: n * 1_024,
            entries: vec![Vec::new(); 1_024],
            ..WireUpdate::default()
        });
        let taken = endless
            .map(|part| parts.take(part))
            .take_while(Result::is_ok);
        assert_eq!(taken.count() * 1_024, MAX_UPDATE_ENTRIES);
    }
}
