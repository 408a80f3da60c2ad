//! A clock that stands still unless it is moved, and doors that do as they are told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::*;
use crate::drill::answer::{Change, Path, Seen, Served};
use crate::drill::clock;
use crate::drill::eyes::{Good, How, Next, Reply};

/// Time that passes only by waiting, and by the doors' doing.
#[derive(Clone)]
struct Fake(Arc<Mutex<Instant>>);

impl Fake {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(clock::instant())))
    }

    fn pass(&self, ms: u64) {
        *self.0.lock().unwrap() += Duration::from_millis(ms);
    }

    fn ms_since(&self, since: Instant) -> u64 {
        clock::millis(self.now() - since)
    }
}

impl Pace for Fake {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    async fn until(&self, moment: Instant) {
        {
            let mut now = self.0.lock().unwrap();
            *now = moment.max(*now);
        }
        tokio::task::yield_now().await;
    }
}

fn every(step_ms: u64, limit_ms: u64) -> Watch {
    Watch {
        step: Duration::from_millis(step_ms),
        limit: Duration::from_millis(limit_ms),
        calm: Duration::from_secs(3_600),
    }
}

fn no() -> Sample {
    Sample::Refused("refused by HTTP 403".to_owned())
}

fn down() -> Sample {
    Sample::Failed("HTTP 503".to_owned())
}

/// Watches a door whose answer depends on the time of asking, and which takes so long to answer.
async fn watched(
    watch: Watch,
    slow_ms: u64,
    mut door: impl FnMut(u64) -> Sample + Send,
) -> Sampled {
    let time = Fake::new();
    let since = time.now();
    let asked = time.clone();
    watch
        .run(&time, since, &mut || {
            let said = door(asked.ms_since(since));
            asked.pass(slow_ms);
            std::future::ready(said)
        })
        .await
}

#[tokio::test]
async fn a_door_that_refuses_is_refused_at_once() {
    let sampled = watched(every(100, 1_000), 5, |_| no()).await;
    assert_eq!(sampled.seen, Seen::RefusedAtOnce);
    assert_eq!((sampled.samples, sampled.refused), (11, 11));
    assert_eq!(sampled.step_ms, 100);
    assert_eq!(sampled.said.as_deref(), Some("refused by HTTP 403"));
}

#[tokio::test]
async fn the_last_success_is_told_with_the_gap_around_it() {
    let door = |ms| if ms < 2_050 { Sample::Served } else { no() };
    let sampled = watched(every(100, 5_000), 7, door).await;
    assert_eq!(sampled.seen, Seen::LastSuccess { after_ms: 2_000 });
    // From its asking to the answer of the refusal: 100 ms apart, and 7 ms to answer.
    assert_eq!(sampled.step_ms, 107);
    assert_eq!(sampled.returned, 0);
}

#[tokio::test]
async fn a_slow_door_makes_the_step_as_wide_as_it_was() {
    let door = |ms| if ms < 2_050 { Sample::Served } else { no() };
    let sampled = watched(every(100, 5_000), 640, door).await;
    // Asked at 0, 700, 1400 and 2100, whatever step was wished for.
    assert_eq!(sampled.seen, Seen::LastSuccess { after_ms: 1_400 });
    assert_eq!(sampled.step_ms, 1_340);
    // Failures say nothing of the caller, so that they make the step wider.
    let door = |ms| match ms {
        0..1_000 => Sample::Served,
        1_000..3_000 => down(),
        _ => no(),
    };
    let sampled = watched(every(100, 5_000), 0, door).await;
    assert_eq!(sampled.seen, Seen::LastSuccess { after_ms: 900 });
    assert_eq!(sampled.step_ms, 2_100);
    assert_eq!(sampled.failed, 20);
}

#[tokio::test]
async fn a_door_that_never_refuses_is_watched_to_the_limit() {
    let sampled = watched(every(300, 1_000), 0, |_| Sample::Served).await;
    assert_eq!(sampled.seen, Seen::StillServed { watched_ms: 1_000 });
    assert_eq!(sampled.samples, 5);
    assert_eq!(sampled.step_ms, 300);
    let door = |ms| if ms < 900 { Sample::Served } else { down() };
    let sampled = watched(every(100, 1_000), 0, door).await;
    assert_eq!(sampled.seen, Seen::StillServed { watched_ms: 800 });
}

#[tokio::test]
async fn failures_alone_judge_nothing() {
    let sampled = watched(every(100, 1_000), 0, |_| down()).await;
    let Seen::CannotJudge { why } = sampled.seen else {
        panic!("{:?}", sampled.seen);
    };
    assert!(
        why.contains("none of 11 samples") && why.contains("HTTP 503"),
        "{why}"
    );
    let door = |ms| if ms < 500 { Sample::Served } else { down() };
    let sampled = watched(every(100, 1_000), 0, door).await;
    let Seen::CannotJudge { why } = sampled.seen else {
        panic!("{:?}", sampled.seen);
    };
    assert!(why.contains("at 400 ms, and the 6 samples"), "{why}");
}

#[tokio::test]
async fn a_success_after_a_refusal_is_told() {
    let door = |ms| match ms {
        0..500 | 800 => Sample::Served,
        _ => no(),
    };
    let sampled = watched(every(100, 2_000), 0, door).await;
    assert_eq!(sampled.seen, Seen::LastSuccess { after_ms: 800 });
    assert_eq!(sampled.returned, 1);
}

#[tokio::test]
async fn a_refusal_that_stays_ends_the_watch_after_the_calm_and_a_path_that_is_gone_at_once() {
    let mut watch = every(100, 60_000);
    watch.calm = Duration::from_secs(1);
    let door = |ms| match ms {
        0..500 | 1_400 => Sample::Served,
        _ => no(),
    };
    let sampled = watched(watch, 0, door).await;
    assert_eq!(sampled.seen, Seen::LastSuccess { after_ms: 1_400 });
    assert_eq!(sampled.samples, 26);
    let door = |ms| match ms {
        0..500 => Sample::Served,
        _ => Sample::Gone("the connection was closed".to_owned()),
    };
    let sampled = watched(watch, 0, door).await;
    assert_eq!(sampled.samples, 6);
    assert_eq!(sampled.seen, Seen::LastSuccess { after_ms: 400 });
    let cell = sampled.cell(Change::RootRemoved, Path::Established, None);
    assert_eq!((cell.seen, cell.step_ms), (sampled.seen, 100));
}

#[tokio::test]
async fn a_stream_sets_its_own_pace_and_its_silence_is_no_end() {
    let time = Fake::new();
    let since = time.now();
    let stream = |until: u64, then: Sample| {
        let time = time.clone();
        let since = time.now();
        move || {
            time.pass(250);
            let over = time.ms_since(since) > until;
            std::future::ready(if over { then.clone() } else { Sample::Message })
        }
    };
    let watch = every(100, 5_000);
    let gone = Sample::Gone("the stream was reset".to_owned());
    let sampled = watch.run(&time, since, &mut stream(1_000, gone)).await;
    assert_eq!(sampled.seen, Seen::LastSuccess { after_ms: 1_000 });
    assert_eq!(sampled.step_ms, 250);
    let since = time.now();
    let sampled = watch
        .run(&time, since, &mut stream(1_000, Sample::Silence))
        .await;
    assert!(
        matches!(sampled.seen, Seen::CannotJudge { .. }),
        "{sampled:?}"
    );
    let since = time.now();
    let sampled = watch.run(&time, since, &mut stream(9_000, no())).await;
    assert_eq!(sampled.seen, Seen::StillServed { watched_ms: 5_000 });
}

/// A lane whose answers come from a list, by the number of the request.
struct Listed {
    time: Fake,
    at: usize,
    answers: fn(usize) -> (Once, Once),
    takes_ms: u64,
}

impl Lane for Listed {
    async fn ask(&mut self) -> Once {
        self.at += 1;
        self.time.pass(self.takes_ms);
        (self.answers)(self.at).0
    }

    async fn again(&mut self) -> Once {
        (self.answers)(self.at).1
    }
}

fn failed(unprocessed: bool) -> Once {
    Once::Failed {
        why: "the server said GOAWAY".to_owned(),
        unprocessed,
    }
}

async fn loaded(lanes: usize, takes_ms: u64, answers: fn(usize) -> (Once, Once)) -> Loaded {
    let time = Fake::new();
    let lanes = (0..lanes).map(|_| Listed {
        time: time.clone(),
        at: 0,
        answers,
        takes_ms,
    });
    let load = Load {
        per_second: 20,
        limit: Duration::from_secs(1),
    };
    let (_stop, stopped) = watch::channel(false);
    under(load, lanes.collect(), Arc::new(time.clone()), stopped).await
}

#[tokio::test]
async fn a_load_asks_at_its_rate_and_counts_each_failure_raw_and_after_one_retry() {
    let all = loaded(4, 0, |_| (Once::Served, Once::Served)).await;
    let asked = Served {
        asked: 20,
        ..Served::default()
    };
    assert_eq!((all.served, all.missed), (asked, 0));
    // Of the five requests of a lane the second is saved by a retry, the third is not, and the
    // fourth may not be tried again, although it would be served.
    let answers = |at| match at {
        2 => (failed(true), Once::Served),
        3 => (failed(true), failed(true)),
        4 => (failed(false), Once::Served),
        _ => (Once::Served, failed(true)),
    };
    let all = loaded(4, 0, answers).await;
    let counted = Served {
        asked: 20,
        failed: 12,
        failed_after_retry: 8,
    };
    assert_eq!(all.served, counted);
    assert_eq!(all.why["the server said GOAWAY"], 12);
}

#[tokio::test]
async fn a_load_that_cannot_keep_its_rate_says_so() {
    let all = loaded(1, 200, |_| (Once::Served, Once::Served)).await;
    assert!(all.missed > 0);
    assert_eq!(all.served.asked + all.missed, 20);
}

/// A lane that panics at its first request.
struct Torn;

impl Lane for Torn {
    async fn ask(&mut self) -> Once {
        panic!("torn")
    }

    async fn again(&mut self) -> Once {
        Once::Served
    }
}

#[tokio::test]
async fn a_load_that_nobody_asked_or_that_broke_off_is_no_good_load() {
    let load = Load {
        per_second: 20,
        limit: Duration::from_millis(100),
    };
    let (_stop, stopped) = watch::channel(false);
    let torn = under(load, vec![Torn], Arc::new(Fake::new()), stopped).await;
    assert_eq!((torn.broken, torn.served.failed), (1, 0));
    assert!(torn.flaw().is_some_and(|why| why.contains("broke off")));
    assert!(Loaded::default().flaw().is_some());
    let slow = loaded(1, 200, |_| (Once::Served, Once::Served)).await;
    assert!(
        slow.flaw().is_some_and(|why| why.contains("in time")),
        "{slow:?}"
    );
    let good = loaded(4, 0, |_| (Once::Served, Once::Served)).await;
    assert_eq!(good.flaw(), None);
}

#[tokio::test]
async fn a_load_stops_when_it_is_told_to() {
    let lane = Listed {
        time: Fake::new(),
        at: 0,
        answers: |_| (Once::Served, Once::Served),
        takes_ms: 0,
    };
    let load = Load {
        per_second: 1,
        limit: Duration::from_secs(3_600),
    };
    let (stop, stopped) = watch::channel(false);
    drop(stop);
    let all = under(load, vec![lane], Arc::new(Real), stopped).await;
    assert_eq!(all.served.asked, 0);
}

#[test]
fn a_whole_handshake_is_no_success_of_a_resumed_one() {
    let served = Reply::Served(Good::default());
    let refused = Reply::Refused(How::Http(403));
    assert_eq!(Sample::of_resumed(&served, true), Sample::Served);
    let untaken = Sample::of_resumed(&served, false);
    assert!(matches!(untaken, Sample::Untaken(_)), "{untaken:?}");
    for resumed in [true, false] {
        let sample = Sample::of_resumed(&refused, resumed);
        assert!(matches!(sample, Sample::Refused(_)), "{sample:?}");
    }
}

#[test]
fn a_stream_that_came_to_its_own_end_refused_nobody() {
    let end = Sample::of_stream(&Next::Ended(Reply::Served(Good::default())));
    assert!(matches!(end, Sample::Untaken(_)), "{end:?}");
    let refused = Sample::of_stream(&Next::Ended(Reply::Refused(How::Grpc(16))));
    assert!(refused.ends_access(), "{refused:?}");
}

/// A door behind a real wait.
struct Slow(u64);

impl Probe for Slow {
    async fn sample(&mut self) -> Sample {
        self.0 += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.0 > 1 { no() } else { Sample::Served }
    }
}

#[tokio::test]
async fn a_watch_can_run_beside_others() {
    let beside = tokio::spawn(async move {
        let mut door = Slow(0);
        let sampled = every(1, 3).run(&Real, clock::instant(), &mut door).await;
        (sampled, door.0)
    });
    let (sampled, asked) = beside.await.unwrap();
    assert!(
        matches!(sampled.seen, Seen::LastSuccess { .. }),
        "{sampled:?}"
    );
    assert_eq!(sampled.samples, asked);
}
