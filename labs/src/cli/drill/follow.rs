//! How a run is followed: a line when a case has its answer, and Ctrl-C.
//!
//! All of it goes to standard error. From the first Ctrl-C on the run ends as soon as it can,
//! keeps what it has and puts everything back; a second one changes nothing.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use super::super::daemon;
use super::super::printer::Printer;
use crate::drill::answer::{Answer, CaseRow};
use crate::drill::report::seconds;
use crate::drill::run::{Event, Watcher};

/// The most columns that a case's word takes.
const WORD: usize = 28;

/// Whether somebody asked for an end.
#[derive(Clone, Debug)]
pub(super) struct Asked(watch::Receiver<bool>);

impl Asked {
    /// Listens from now on, on the current runtime, once in a process.
    pub(super) fn listen() -> Self {
        let (tell, hear) = watch::channel(false);
        tokio::spawn(async move {
            daemon::interrupted().await;
            tell.send_replace(true);
            // Kept, so that whoever asks later hears it too.
            std::future::pending::<()>().await;
        });
        Self(hear)
    }

    /// Nobody can ask.
    #[cfg(test)]
    pub(super) fn never() -> Self {
        Self(watch::channel(false).1)
    }

    /// Whether it happened.
    pub(super) fn heard(&self) -> bool {
        *self.0.borrow()
    }

    /// Is over when it happens.
    async fn happens(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// How many answers of several runs there are by now, and in all.
#[derive(Debug)]
pub(super) struct Count {
    done: AtomicUsize,
    all: usize,
}

impl Count {
    pub(super) const fn new(all: usize) -> Self {
        Self {
            done: AtomicUsize::new(0),
            all,
        }
    }
}

/// One who follows a run. Several may share a printer.
pub(super) struct Follower<'p, 'q> {
    printer: &'p Mutex<&'q mut Printer>,
    asked: Asked,
    /// For one of several runs at the same time: answers are counted, and not told.
    count: Option<&'p Count>,
}

impl<'p, 'q> Follower<'p, 'q> {
    /// One who tells every answer.
    pub(super) const fn new(printer: &'p Mutex<&'q mut Printer>, asked: Asked) -> Self {
        Self {
            printer,
            asked,
            count: None,
        }
    }

    /// One who counts answers with others.
    pub(super) const fn counting(
        printer: &'p Mutex<&'q mut Printer>,
        asked: Asked,
        count: &'p Count,
    ) -> Self {
        Self {
            printer,
            asked,
            count: Some(count),
        }
    }

    fn with(&self, say: impl FnOnce(&mut Printer)) {
        let mut printer = self
            .printer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        say(*printer);
    }
}

impl Watcher for Follower<'_, '_> {
    fn tell(&mut self, event: &Event<'_>) {
        if let Some(count) = self.count {
            if let Event::Answered(_) = event {
                let done = 1 + count.done.fetch_add(1, Ordering::Relaxed);
                let done = share(done) / share(count.all).max(1.0);
                self.with(|printer| printer.progress("both services are drilled", done));
            }
            return;
        }
        match event {
            Event::Opens => {}
            Event::Begins {
                words,
                at,
                of,
                turn,
            } => {
                let (of, at) = (share(*of), share(*at - 1));
                let within = (share(*turn - 1) / 4.0).min(0.9);
                let mut told = words.first().copied().unwrap_or_default().to_owned();
                if *turn > 1 {
                    told.push_str(&format!(", try {turn}"));
                }
                self.with(|printer| printer.progress(&told, (at + within) / of.max(1.0)));
            }
            Event::Answered(row) => {
                let line = line(row);
                self.with(|printer| printer.note(&line));
            }
            Event::Closes => self.with(Printer::clear),
        }
    }

    fn interrupted<'w>(&'w mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'w>> {
        Box::pin(self.asked.happens())
    }
}

fn share(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// A case in a line.
fn line(row: &CaseRow) -> String {
    let mark = if row.answer == Answer::Fail { '!' } else { ' ' };
    let took = seconds(row.took_ms);
    format!("{mark} {:<15}{:<WORD$} {took}", row.answer.word(), row.word)
}

#[cfg(test)]
mod tests {
    use super::super::super::printer::tests::{Paper, printer, written};
    use super::*;
    use crate::drill::answer::{Basis, Group};

    fn row(answer: Answer) -> CaseRow {
        CaseRow {
            word: "leaf-swap".to_owned(),
            group: Group::Leaf,
            basis: Basis::Advice("x".to_owned()),
            answer,
            says: String::new(),
            tries: vec![answer],
            cells: Vec::new(),
            served: None,
            took_ms: 1_200,
            accepted: None,
        }
    }

    #[tokio::test]
    async fn each_answer_is_a_line_on_standard_error_and_the_bad_one_is_marked() {
        let out = Paper::default();
        let (mut printer, err) = printer(out.clone(), true);
        let shared = Mutex::new(&mut printer);
        let mut follower = Follower::new(&shared, Asked::never());
        follower.tell(&Event::Begins {
            words: &["leaf-swap"],
            at: 1,
            of: 4,
            turn: 2,
        });
        follower.tell(&Event::Answered(&row(Answer::Pass)));
        follower.tell(&Event::Answered(&row(Answer::Fail)));
        follower.tell(&Event::Closes);
        let said = written(&err);
        assert!(said.contains("leaf-swap, try 2   6 %"), "{said:?}");
        let bad = format!("! fail           {:<WORD$} 1.2 s", "leaf-swap");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.last(), Some(&bad.as_str()));
        assert_eq!(written(&out), "");
    }

    #[test]
    fn of_several_runs_the_answers_are_counted_together() {
        let (mut printer, err) = printer(Paper::default(), true);
        let (shared, count) = (Mutex::new(&mut printer), Count::new(4));
        for _ in 0..2 {
            let mut follower = Follower::counting(&shared, Asked::never(), &count);
            follower.tell(&Event::Answered(&row(Answer::Fail)));
        }
        let said = written(&err);
        assert!(said.contains(" 25 %") && said.contains(" 50 %"), "{said:?}");
        assert!(!said.contains('\n'));
    }

    #[tokio::test]
    async fn an_end_that_was_asked_for_is_heard_also_by_who_asks_again() {
        let (tell, hear) = watch::channel(false);
        let mut asked = Asked(hear);
        tokio::select! {
            biased;
            () = asked.happens() => panic!("nobody asked"),
            () = std::future::ready(()) => {}
        }
        assert!(!asked.heard());
        tell.send_replace(true);
        asked.happens().await;
        asked.happens().await;
        assert!(asked.heard());
    }
}
