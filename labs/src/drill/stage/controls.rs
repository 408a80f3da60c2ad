//! The controls around every case: without them no answer means anything.
//!
//! A good caller is served, an unknown authority's is refused, one without a token is refused if
//! the file says so, and the leaf that is served is one that the drill wrote. The first that is
//! not so is named.

use tokio::time::sleep;

use super::{Arrival, Caller, Met, Obstacle, Signer, Stage};

/// How often a control that depends on a good answer is asked before it counts as failed: one
/// lost packet is no reason to judge nothing.
const ASKED: usize = 3;

impl Stage {
    /// All of them, with callers below this signer as the good ones.
    ///
    /// # Errors
    /// The control that failed.
    pub async fn controls(&mut self, signer: Signer) -> Result<(), Obstacle> {
        if self.manner().as_client {
            return Ok(());
        }
        self.served_is_ours().await?;
        if let Err(why) = self.make_out().await {
            return Err(Obstacle::control(format!(
                "control: no call can be made: {why}"
            )));
        }
        let good = self.caller(signer)?;
        self.good_is_served(&good).await?;
        self.stranger_is_refused().await?;
        self.no_token_is_refused(&good).await
    }

    /// A good caller is served.
    ///
    /// # Errors
    /// If it is not.
    pub async fn good_is_served(&self, good: &Caller) -> Result<(), Obstacle> {
        let mut met = self.meet(good).await?;
        for _ in 1..ASKED {
            if met.is_served() {
                return Ok(());
            }
            sleep(self.manner().step).await;
            met = self.meet(good).await?;
        }
        if met.is_served() {
            return Ok(());
        }
        let why = format!("control: a good caller is not served: {met}");
        Err(Obstacle::control(why))
    }

    /// A caller of an authority that nobody knows is refused.
    ///
    /// # Errors
    /// If it is not.
    pub async fn stranger_is_refused(&self) -> Result<(), Obstacle> {
        let stranger = self.caller(Signer::Stranger)?;
        let mut met = self.meet(&stranger).await?;
        for _ in 1..ASKED {
            if !matches!(met, Met::Unclear(_)) {
                break;
            }
            sleep(self.manner().step).await;
            met = self.meet(&stranger).await?;
        }
        match met {
            Met::Refused(_) => Ok(()),
            Met::Served => Err(Obstacle::control(
                "control: a caller of an authority that the target was never told of is served, \
                 so it asks for no certificate, or believes any",
            )),
            Met::Unclear(said) => Err(Obstacle::control(format!(
                "control: a caller of an unknown authority is neither served nor refused: {said}"
            ))),
        }
    }

    async fn no_token_is_refused(&self, good: &Caller) -> Result<(), Obstacle> {
        if !self.drill().calls.refused_without_token {
            return Ok(());
        }
        match self.meet_as(&good.identity(), None).await? {
            Met::Refused(_) => Ok(()),
            met => Err(Obstacle::control(format!(
                "control: a call without a token is not refused: {met}"
            ))),
        }
    }

    async fn served_is_ours(&mut self) -> Result<(), Obstacle> {
        let Some(leaf) = self.leaf().cloned() else {
            return Err(Obstacle::control("control: no leaf was written yet"));
        };
        match self.arrives(&leaf).await {
            Arrival::Served { .. } => Ok(()),
            arrival => Err(Obstacle::control(format!("control: {}", arrival.why()))),
        }
    }
}
