//! What is done to the target: new files, telling it, starting it again, and the good state that
//! every case begins from.
//!
//! Writing is one thing and being served another: whether a new leaf arrived is only ever seen
//! from outside. A good state is a fresh leaf each time, so that it can be told from the last.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::shown::{Unshown, served};
use super::{Obstacle, Signer, Stage, StageError};
use crate::drill::authority::{Crl, CrlWish, Leaf, Life};
use crate::drill::clock;
use crate::drill::place::{Material, PlaceError};
use crate::drill::process::ProcessError;

/// How far apart two looks for a new leaf are.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// So many handshakes in a row must show a new leaf before it counts as served.
const IN_A_ROW: usize = 3;

/// How long a target may take to answer after its start.
pub(super) const START: Duration = Duration::from_secs(60);

/// How long a list is good for.
const LIST: Duration = Duration::from_secs(24 * 60 * 60);

/// A change that was written, and the target told.
#[derive(Debug)]
pub struct Put {
    /// When both were over.
    pub at: Instant,
    /// What the target's `reload` complained of, if it did.
    pub complaint: Option<String>,
}

impl Put {
    /// It was told, and did not complain.
    ///
    /// # Errors
    /// When it complained.
    pub fn told(self) -> Result<(), Obstacle> {
        match self.complaint {
            None => Ok(()),
            Some(why) => Err(Obstacle::control(format!(
                "the target could not be told: {why}"
            ))),
        }
    }
}

/// Whether a new leaf came to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It did, by every handshake in a row.
    Served {
        /// How long it took.
        after: Duration,
    },
    /// An older one that we wrote is still served.
    Older,
    /// Both are served in turns: there are several backends.
    Both,
    /// A certificate that we never wrote is served.
    Strange,
    /// No handshake was finished: what came instead.
    None(String),
    /// The drill's own machine could not look: why. That is no word about the target.
    Blind(String),
}

impl Arrival {
    /// Why the leaf that is served is not the one that was written.
    pub fn why(&self) -> String {
        match self {
            Self::Served { .. } => "the leaf that is served is the one that was written".to_owned(),
            Self::Older => {
                "a leaf from before the change is still served after `settle`".to_owned()
            }
            Self::Both => {
                "the new leaf and one from before are served in turns after `settle`: several \
                 backends answer"
                    .to_owned()
            }
            Self::Strange => {
                "the leaf that is served is not one that the drill wrote: something stands in \
                 between, or the target reads other files"
                    .to_owned()
            }
            Self::None(said) => format!("no leaf is served: {said}"),
            Self::Blind(why) => format!("the drill could not look: {why}"),
        }
    }
}

impl Stage {
    /// A fresh leaf of the target's below this signer.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new_leaf(&self, signer: Signer) -> Result<Leaf, StageError> {
        Ok(self.cast.issuer(signer).leaf(&self.cast.target_wish())?)
    }

    /// Writes, tells the target, and does not wait.
    ///
    /// # Errors
    /// When it cannot be written. A `reload` that fails is no error: some targets refuse so.
    pub async fn put(&mut self, material: &Material) -> Result<Put, Obstacle> {
        if let Some(leaf) = material.chain.as_ref().and_then(|chain| chain.first()) {
            self.written.insert(leaf.to_vec());
        }
        self.place.write(material).await?;
        let complaint = match self.place.reload(&self.drill.target).await {
            Ok(()) => None,
            Err(PlaceError::Command(why @ ProcessError::Failed { .. })) => Some(why.to_string()),
            Err(why) => return Err(why.into()),
        };
        Ok(Put {
            at: clock::instant(),
            complaint,
        })
    }

    /// Writes a whole pair with whatever comes along, tells the target, and says whether the leaf
    /// came to be served within `settle`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn offer(&mut self, leaf: &Leaf, with: Material) -> Result<(Put, Arrival), Obstacle> {
        let material = Material {
            key: Some(leaf.key.clone()),
            chain: Some(leaf.chain_der.clone()),
            ..with
        };
        self.leaf = Some(leaf.clone());
        let put = self.put(&material).await?;
        let arrival = self.arrives(leaf).await;
        // A start takes its own time: this is how long a running target takes.
        if let Arrival::Served { after } = arrival {
            self.slowest = self.slowest.max(after);
        }
        Ok((put, arrival))
    }

    /// The same, for a leaf that must be served before a case goes on.
    ///
    /// # Errors
    /// When it cannot be written, or is not served after `settle`: that is a control.
    pub async fn deliver(&mut self, leaf: &Leaf, with: Material) -> Result<Put, Obstacle> {
        match self.offer(leaf, with).await? {
            (put, Arrival::Served { .. }) => Ok(put),
            (put, arrival) => {
                let complaint = put.complaint.map(|why| format!(" ({why})"));
                let (why, complaint) = (arrival.why(), complaint.unwrap_or_default());
                Err(Obstacle::control(format!("control: {why}{complaint}")))
            }
        }
    }

    /// A control of cases about damaged pairs: a fresh whole one is taken up, with no restart.
    ///
    /// # Errors
    /// When it is not.
    pub async fn delivers(&mut self) -> Result<(), Obstacle> {
        let leaf = self.new_leaf(Signer::Old)?;
        self.deliver(&leaf, Material::default()).await.map(|_| ())
    }

    /// Waits until a leaf is served by every handshake in a row, no longer than `settle`. As a
    /// client's upstream the drill sees no leaf served, and does not wait.
    pub async fn arrives(&mut self, leaf: &Leaf) -> Arrival {
        let begun = clock::instant();
        if self.manner.as_client {
            let after = Duration::ZERO;
            return Arrival::Served { after };
        }
        let mut seen = BTreeSet::new();
        let mut said = None;
        let mut row = 0;
        loop {
            let met = served(&self.door).await;
            match &met {
                Ok(shown) if shown.as_slice() == leaf.certificate().as_ref() => row += 1,
                Ok(shown) => {
                    row = 0;
                    seen.insert(shown.clone());
                }
                Err(why) => {
                    row = 0;
                    said = Some(why.clone());
                }
            }
            let after = clock::instant().saturating_duration_since(begun);
            if row >= IN_A_ROW {
                self.is_stale = false;
                return Arrival::Served { after };
            }
            if after >= self.settle() {
                self.is_stale = true;
                return self.not_arrived(leaf, (seen, said)).await;
            }
            sleep(LOOK.min(self.manner.step)).await;
        }
    }

    /// What is served instead of a leaf that should be, after `settle`.
    async fn not_arrived(
        &mut self,
        leaf: &Leaf,
        (seen, said): (BTreeSet<Vec<u8>>, Option<Unshown>),
    ) -> Arrival {
        let mut now = BTreeSet::new();
        for _ in 0..2 * IN_A_ROW {
            if let Ok(shown) = served(&self.door).await {
                now.insert(shown);
            }
        }
        let ours = now.contains(leaf.certificate().as_ref());
        if ours && now.len() == 1 {
            // It came in the very last moment.
            self.is_stale = false;
            let after = self.settle();
            return Arrival::Served { after };
        }
        if now.len() > 1 {
            self.note(format!(
                "{} leaves are served in turns after `settle`: several backends answer at {}, \
                 and they do not change at the same time",
                now.len(),
                self.drill.target.address
            ));
            return Arrival::Both;
        }
        match now.first().or_else(|| seen.last()) {
            None => match said {
                Some(Unshown { why, here: true }) => Arrival::Blind(why),
                Some(Unshown { why, here: false }) => Arrival::None(why),
                None => Arrival::None("nobody looked".to_owned()),
            },
            Some(shown) if self.written.contains(shown) => Arrival::Older,
            Some(_) => Arrival::Strange,
        }
    }

    /// Lists of every signer, the first one's first: the next number, and who was taken back.
    ///
    /// # Errors
    /// When they cannot be signed.
    pub fn lists(&mut self, first: Signer) -> Result<Vec<Crl>, StageError> {
        self.number += 1;
        let life = Life::from_now(clock::date(), LIST);
        self.lists_as(first, self.number, life)
    }

    /// The same with another number or life.
    ///
    /// # Errors
    /// When they cannot be signed.
    pub fn lists_as(&self, first: Signer, number: u64, life: Life) -> Result<Vec<Crl>, StageError> {
        let rest = [Signer::Old, Signer::Next, Signer::Further];
        let rest = rest.into_iter().filter(|signer| *signer != first);
        let mut lists = Vec::new();
        for signer in std::iter::once(first).chain(rest) {
            let none = Vec::new();
            let revoked = self.revoked.get(&signer).unwrap_or(&none).clone();
            let of = |revoked| CrlWish {
                number,
                life,
                revoked,
            };
            lists.push(self.cast.issuer(signer).crl(&of(revoked))?);
            lists.push(self.cast.root(signer).crl(&of(Vec::new()))?);
        }
        Ok(lists)
    }

    /// The number of the lists that were signed last; the next ones have a higher one.
    pub const fn list_number(&self) -> u64 {
        self.number
    }

    /// Goes on with a number at least this high.
    pub fn number_from(&mut self, number: u64) {
        self.number = self.number.max(number);
    }

    /// Takes a leaf back: it is on every list from now on. Nothing is written.
    pub fn revoke(&mut self, signer: Signer, leaf: &Leaf) {
        let revoked = self.revoked.entry(signer).or_default();
        revoked.push(leaf.serial.clone());
    }

    /// The good state, with this leaf: the root of today, lists, the key of tokens.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn good(&mut self) -> Result<Material, StageError> {
        let lists = self.lists(Signer::Old)?;
        let lists: Vec<&Crl> = lists.iter().collect();
        let mut material = Material::default()
            .trusting(&[self.cast.root(Signer::Old)])
            .revoking(&lists);
        if let Some(tokens) = &self.tokens {
            let list = crate::drill::tokens::Jwks::of([tokens.key()]);
            match tokens.served() {
                Some(served) => served.show(&list),
                None => material.jwks = Some(list.bytes()),
            }
        }
        Ok(material)
    }

    /// Puts everything into the good state with a fresh leaf, and starts the target again if it
    /// does not take it.
    ///
    /// # Errors
    /// When the fresh leaf is not served even so.
    pub async fn reset(&mut self) -> Result<(), Obstacle> {
        let leaf = self.new_leaf(Signer::Old)?;
        let good = self.good()?;
        self.install(&leaf, good).await
    }

    /// Delivers, and starts the target again if it does not take the leaf: for what a case only
    /// begins with.
    ///
    /// # Errors
    /// When the leaf is not served even so.
    pub async fn install(&mut self, leaf: &Leaf, with: Material) -> Result<(), Obstacle> {
        if !(self.is_stale && self.can_restart()) {
            match self.deliver(leaf, with.clone()).await {
                Err(Obstacle::Control(_)) if self.can_restart() => {}
                delivered => return delivered.map(|_| ()),
            }
        }
        let material = Material {
            key: Some(leaf.key.clone()),
            chain: Some(leaf.chain_der.clone()),
            ..with
        };
        self.leaf = Some(leaf.clone());
        self.written.insert(leaf.certificate().to_vec());
        self.place.write(&material).await?;
        self.restart().await?;
        match self.arrives(leaf).await {
            Arrival::Served { .. } => Ok(()),
            arrival => Err(Obstacle::control(format!(
                "{}, also after the target was started again",
                arrival.why()
            ))),
        }
    }

    /// Starts the target again, if somebody can.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<(), Obstacle> {
        self.is_stale = false;
        if let Some(keeper) = &mut self.keeper {
            return keeper
                .restart()
                .await
                .map_err(|why| StageError::Restart(why).into());
        }
        self.mourn().await;
        if let Some(running) = self.running.take() {
            self.place.stop(running).await?;
        }
        self.running = self.place.start(&self.drill.target, START).await?;
        Ok(())
    }
}
