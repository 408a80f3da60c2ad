//! Group commit: whoever waits for durability at the same time shares one sync.
//!
//! One task owns the log. It takes all drafts that are queued, appends them, pays for one
//! [`Kind::Append`], commits once, and answers. Under [`Durability::Sync`] nobody is answered well
//! before a commit that covers their entry. The queue is bounded: what does not fit is refused,
//! never dropped silently. After a commit that failed, what the disk holds is unknown, so the
//! writer stops and refuses everything until the node is started again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ca::clock::Clock;
use ca::seams::Seams;
use ca::work::{Kind, Work};
use tokio::sync::{mpsc, oneshot};

use super::draft::Draft;
use super::writer::AuditLog;
pub use crate::posture::Durability;
use crate::refusal::Refusal;

/// How many drafts may wait for their turn.
pub const QUEUE: usize = 1024;

/// How long the writer waits before it asks a busy node for its turn again.
const AGAIN: Duration = Duration::from_millis(5);

/// The decision could not be made as durable as was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log takes no entries")]
pub struct AuditUnavailable;

impl From<AuditUnavailable> for Refusal {
    fn from(_: AuditUnavailable) -> Self {
        Self::AuditUnavailable
    }
}

/// Where a node records its decisions. Cheap to clone; when the last clone is gone, the writer
/// commits what it has and ends.
#[derive(Clone)]
pub struct AuditWriter {
    queue: mpsc::Sender<Job>,
    lost: Arc<AtomicU64>,
}

impl fmt::Debug for AuditWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditWriter")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

impl AuditWriter {
    /// Hands the log to a task of its own. Must be called inside a tokio runtime.
    pub fn start(log: AuditLog, seams: &Seams) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let task = Task {
            log,
            clock: Arc::clone(&seams.clock),
            work: Arc::clone(&seams.work),
            lost: Arc::clone(&lost),
        };
        tokio::spawn(task.run(jobs));
        Self { queue, lost }
    }

    /// Records a decision and waits for as much as `durability` says. Gives the entry's `seq`,
    /// which under [`Durability::Async`] is not known yet. A caller that goes away while it
    /// waits leaves its entry in the log all the same.
    ///
    /// # Errors
    /// When too many wait, the draft is too long, or the log has stopped.
    pub async fn record(
        &self,
        draft: Draft,
        durability: Durability,
    ) -> Result<Option<u64>, AuditUnavailable> {
        let answered = self.enqueue(Some(draft), durability)?;
        if durability == Durability::Async {
            return Ok(None);
        }
        answered.await.map_err(|_| AuditUnavailable)?
    }

    /// Waits until everything that was recorded before is durable.
    ///
    /// # Errors
    /// When too many wait, or the log has stopped.
    pub async fn flush(&self) -> Result<(), AuditUnavailable> {
        let answered = self.enqueue(None, Durability::Sync)?;
        answered.await.map_err(|_| AuditUnavailable)??;
        Ok(())
    }

    /// How many entries somebody relied on without waiting, and that never became durable while
    /// this writer ran.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn enqueue(
        &self,
        draft: Option<Draft>,
        durability: Durability,
    ) -> Result<oneshot::Receiver<Answer>, AuditUnavailable> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            draft,
            durability,
            answer,
        };
        self.queue.try_send(job).map_err(|_| AuditUnavailable)?;
        Ok(answered)
    }
}

type Answer = Result<Option<u64>, AuditUnavailable>;

struct Job {
    /// Nothing for a flush.
    draft: Option<Draft>,
    durability: Durability,
    answer: oneshot::Sender<Answer>,
}

struct Task {
    log: AuditLog,
    clock: Arc<dyn Clock>,
    work: Arc<dyn Work>,
    lost: Arc<AtomicU64>,
}

impl Task {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(QUEUE);
        while jobs.recv_many(&mut group, QUEUE).await > 0 {
            if !self.commit(&mut group).await {
                break;
            }
        }
        // Nobody may wait for a writer that is gone, and what was relied on is counted.
        jobs.close();
        while let Ok(job) = jobs.try_recv() {
            self.refuse(job);
        }
    }

    /// Makes a group durable and answers everyone in it. False if the log has stopped.
    async fn commit(&mut self, group: &mut Vec<Job>) -> bool {
        let mut waiting = Vec::with_capacity(group.len());
        let mut relied_on = 0;
        for job in group.drain(..) {
            let seq = match &job.draft {
                None => None,
                Some(draft) => match self.log.append(draft) {
                    Ok(seq) => Some(seq),
                    Err(error) => {
                        tracing::warn!(%error, "a decision did not fit the audit log");
                        self.refuse(job);
                        continue;
                    }
                },
            };
            // Whoever no longer listens has lost nothing: the entry goes its way.
            match job.durability {
                Durability::Sync => waiting.push((seq, job.answer)),
                Durability::Batch | Durability::Async => {
                    relied_on += 1;
                    let _ = job.answer.send(Ok(seq));
                }
            }
        }
        while self.work.charge(Kind::Append).await.is_err() {
            self.clock.sleep(AGAIN).await;
        }
        let committed = self.log.commit();
        if let Err(error) = &committed {
            tracing::error!(%error, "the audit log has stopped");
            self.lost.fetch_add(relied_on, Ordering::Relaxed);
        }
        for (seq, answer) in waiting {
            let said = committed.as_ref().map(|_| seq);
            let _ = answer.send(said.map_err(|_| AuditUnavailable));
        }
        committed.is_ok()
    }

    fn refuse(&self, job: Job) {
        if job.durability == Durability::Async {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        let _ = job.answer.send(Err(AuditUnavailable));
    }
}

#[cfg(test)]
mod tests;
