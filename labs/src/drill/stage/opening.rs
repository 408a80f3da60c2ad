//! The first minute of a run, and the last: files taken, target started, calls made out; and all
//! of it given back.
//!
//! The target's files are good before it is started. Whatever ends a run, [`Stage::close`] puts
//! everything back and looks whether it arrived; the drop of the stage puts back the files alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::hands::{LOOK, START};
use super::life::Life;
use super::shown::served;
use super::{Arrival, Cast, Keeper, Manner, Signer, Stage, StageError, Tokens, Until};
use crate::drill::clock;
use crate::drill::describe::Description;
use crate::drill::eyes::{Call, Client, Door, Identity, Sessions, Speak};
use crate::drill::file::{CallWish, Code, DrillFile};
use crate::drill::place::{Material, Place, Restored};

impl Stage {
    /// Takes the files; nothing of the target's has changed then.
    ///
    /// # Errors
    /// When the files cannot be taken.
    pub async fn take(
        drill: &DrillFile,
        replace: bool,
        manner: Manner,
        keeper: Option<Box<dyn Keeper>>,
    ) -> Result<Self, StageError> {
        let door = door(drill)?;
        let cast = Cast::new(drill)?;
        let tokens = match &drill.token {
            Some(rules) => Some(Tokens::new(rules).await?),
            None => None,
        };
        Ok(Self {
            place: Place::take(drill, replace)?,
            drill: drill.clone(),
            manner,
            running: None,
            life: Life::default(),
            keeper,
            cast,
            door,
            call: plain(&drill.calls.allowed),
            stream: drill.calls.stream.as_ref().map(plain),
            is_made_out: false,
            tokens,
            upstream: None,
            leaf: None,
            written: BTreeSet::new(),
            is_stale: false,
            slowest: Duration::ZERO,
            roots_by_restart: false,
            number: 1,
            revoked: BTreeMap::new(),
            notes: BTreeSet::new(),
        })
    }

    /// Makes the files good, and starts the target if the file says how. Whatever comes of it,
    /// [`Stage::close`] undoes it.
    ///
    /// # Errors
    /// When the files cannot be written, or the target does not start.
    pub async fn begin(&mut self) -> Result<(), StageError> {
        let leaf = self.new_leaf(Signer::Old)?;
        let material = Material {
            key: Some(leaf.key.clone()),
            chain: Some(leaf.chain_der.clone()),
            ..self.good()?
        };
        self.written.insert(leaf.certificate().to_vec());
        self.leaf = Some(leaf.clone());
        self.place.write(&material).await?;
        if self.drill.target.start.is_some() {
            self.running = self.place.start(&self.drill.target, START).await?;
        } else if let Some(keeper) = &mut self.keeper {
            keeper.restart().await.map_err(StageError::Restart)?;
        } else {
            // It may complain of what it had before: the controls will say what came of it.
            self.place.reload(&self.drill.target).await?;
        }
        if !self.manner.as_client
            && let Arrival::Served { .. } = self.arrives(&leaf).await
        {
            self.make_out().await?;
        }
        Ok(())
    }

    /// Makes out the calls whose messages need a description, once.
    pub(super) async fn make_out(&mut self) -> Result<(), StageError> {
        if self.is_made_out {
            return Ok(());
        }
        let calls = self.drill.calls.clone();
        let wishes = std::iter::once(&calls.allowed).chain(&calls.stream);
        let wants = |wish: &CallWish| {
            matches!(
                wish,
                CallWish::Grpc {
                    message: Some(_),
                    ..
                }
            )
        };
        if !wishes.into_iter().any(wants) {
            self.is_made_out = true;
            return Ok(());
        }
        let set = match &calls.descriptor {
            Some(path) => {
                let unread = |why| StageError::Descriptor {
                    path: path.display().to_string(),
                    why,
                };
                Some(Description::read(&std::fs::read(path).map_err(unread)?)?)
            }
            None => None,
        };
        self.call = self.described(&calls.allowed, set.as_ref()).await?;
        if let Some(stream) = &calls.stream {
            self.stream = Some(self.described(stream, set.as_ref()).await?);
        }
        self.is_made_out = true;
        Ok(())
    }

    async fn described(
        &self,
        wish: &CallWish,
        set: Option<&Description>,
    ) -> Result<Call, StageError> {
        let CallWish::Grpc {
            service,
            method,
            message: Some(message),
        } = wish
        else {
            return Ok(plain(wish));
        };
        let method = format!("{service}/{method}");
        // The file was read with the message as an object.
        let body: Value = serde_json::from_str(message).unwrap_or_default();
        if let Some(set) = set {
            return Ok(set.call(&method, &body)?);
        }
        let leaf = self
            .cast
            .issuer(Signer::Old)
            .leaf(&self.cast.caller_wish())?;
        let badge = match &self.tokens {
            Some(tokens) => Some(tokens.good(&leaf)?),
            None => None,
        };
        let identity = Identity::of(leaf.chain_der.clone(), leaf.key_der());
        let client = Client::new(self.door.clone(), &identity, Sessions::None)?;
        let undescribed = |reply| crate::drill::describe::Unsaid::Undescribed {
            service: service.clone(),
            reply: Box::new(reply),
        };
        let connection = client.connect().await.map_err(undescribed)?;
        let description = Description::ask(&connection, &method, badge.as_ref()).await?;
        Ok(description.call(&method, &body)?)
    }

    /// Stops what was started and puts everything back.
    ///
    /// # Errors
    /// When something cannot be put back: `schism drill restore` goes on then.
    pub async fn close(mut self) -> Result<Restored, StageError> {
        let stopped = match self.running.take() {
            Some(running) => self.place.stop(running).await,
            None => Ok(()),
        };
        let was_running = self.drill.target.start.is_none() && self.keeper.is_none();
        let mut restored = self.place.restore().await?;
        stopped?;
        if was_running && !self.manner.as_client {
            let last = Served {
                door: &self.door,
                ours: &self.written,
            };
            let left = match last.left_behind(self.drill.target.settle).await {
                Some(left) => Some(left),
                None => self.lets_in_ours().await,
            };
            restored.notes.extend(left);
        }
        Ok(restored)
    }

    /// What a reader must know if a caller of the drill's authority is let in after `settle`: a
    /// target that only ever adds to its roots trusts those of the drill until it is started anew.
    async fn lets_in_ours(&self) -> Option<String> {
        let good = self.caller(Signer::Old).ok()?;
        let met = self.meet_until(&good, Until::Refused, self.settle()).await;
        met.is_ok_and(|met| met.is_served()).then(|| {
            format!(
                "{LEFT} lets in callers of the drill's authority after `settle`, though its files \
                 are as they were; start it again"
            )
        })
    }
}

/// How a word begins of a target that is not as it was.
pub const LEFT: &str = "WARNING: the target still";

/// What is served once everything was put back.
struct Served<'a> {
    door: &'a Door,
    /// Every leaf that the drill wrote.
    ours: &'a BTreeSet<Vec<u8>>,
}

impl Served<'_> {
    /// What a reader must know if one of ours is still served after so long: files that are as
    /// before are not a target that is.
    async fn left_behind(&self, settle: Duration) -> Option<String> {
        let begun = clock::instant();
        loop {
            match served(self.door).await {
                Ok(shown) if self.ours.contains(&shown) => {}
                _ => return None,
            }
            if clock::instant().saturating_duration_since(begun) >= settle {
                return Some(format!(
                    "{LEFT} serves a certificate of the drill's after `settle`, though its files \
                     are as they were; start it again"
                ));
            }
            sleep(LOOK).await;
        }
    }
}

/// A call without a message of its own.
fn plain(wish: &CallWish) -> Call {
    match wish {
        CallWish::Grpc {
            service, method, ..
        } => Call::grpc(&format!("{service}/{method}")),
        CallWish::Http { method, path, body } => Call::Http {
            // The file was read with a method that HTTP has.
            method: method.parse().unwrap_or(http::Method::GET),
            path: path.clone(),
            body: body.clone().unwrap_or_default().into(),
        },
    }
}

fn door(drill: &DrillFile) -> Result<Door, StageError> {
    let target = &drill.target;
    let mut door = Door::at(&target.address.to_string())?;
    if let Some(host) = target.hosts.first() {
        door = door.asked_for(host.trim_matches(['[', ']']))?;
    }
    let grpc = |wish: &CallWish| matches!(wish, CallWish::Grpc { .. });
    if grpc(&drill.calls.allowed) {
        door = door.speaking(Speak::Http2);
    }
    match drill.calls.refusal {
        Some(Code::Grpc(code)) => {
            door.refusing.grpc.insert(i32::from(code));
        }
        Some(Code::Http(status)) => {
            door.refusing.http.insert(status);
        }
        None => {}
    }
    // A stream's silence is looked at a second at a time.
    door.deadlines.message = Duration::from_secs(1);
    Ok(door)
}
