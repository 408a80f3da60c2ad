//! The controls, one failing at a time: what a run says then, and that it never says fail.

use std::fs;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::tries::Tries;
use super::wished_tests::{Wished, address, settings, started};
use super::{Chosen, Event, Options, Unwatched, Watcher, run_kept};
use crate::drill::answer::{Answer, CaseRow, Cell, Change, Group, Path, Report, Seen};
use crate::drill::case::{Before, Case, Rests, Scene, Told};
use crate::drill::exhibit::{Exhibit, Setting};
use crate::drill::file::{DrillFile, Piece};
use crate::drill::place::Material;
use crate::drill::planted::{Fault, Settings};
use crate::drill::stage::{Keeper, Manner, Obstacle, Signer, Stage};

pub(super) const SETTING: Setting = Setting {
    settle: Duration::from_secs(2),
    demand: Duration::from_secs(2),
    serves_keys: false,
    is_client: false,
};

/// They wait for most of their time, so all of them do so at once.
#[tokio::test]
async fn each_control_that_fails_is_named_and_nothing_fails_because_of_it() {
    let mut all = JoinSet::new();
    all.spawn(nothing_is_judged_where_anybody_comes_in());
    all.spawn(nothing_is_judged_where_a_good_caller_is_not_served());
    all.spawn(nothing_is_judged_where_a_call_without_a_token_is_served());
    all.spawn(with_the_reload_sent_elsewhere_the_swap_fails_and_nothing_else_is_judged());
    all.spawn(a_target_that_takes_no_leaf_is_started_again_for_what_a_case_begins_with());
    all.spawn(a_target_that_takes_no_root_is_started_again_before_a_bundle_is_judged());
    all.spawn(a_stranger_s_certificate_is_told_from_an_old_one_of_ours());
    all.spawn(leaves_that_take_turns_are_several_backends());
    all.spawn(a_pass_does_not_stand_if_the_controls_fail_after_it());
    all.spawn(roots_that_are_read_at_the_start_alone_are_told_apart_from_roots_that_stay_out());
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

pub(super) async fn drilled(
    drill: &DrillFile,
    cases: &[&str],
    keeper: Option<Box<dyn Keeper>>,
) -> Report {
    let options = Options {
        cases: cases.iter().map(|it| (*it).to_owned()).collect(),
        ..Options::default()
    };
    run_kept(drill, &options, keeper, &mut Unwatched)
        .await
        .unwrap()
}

fn row<'r>(report: &'r Report, word: &str) -> &'r CaseRow {
    let found = report.rows.iter().find(|row| row.word == word);
    found.unwrap_or_else(|| panic!("{word}: {report:#?}"))
}

/// A service in which one control fails: nothing is judged, and the control is named.
async fn names(fault: Fault, change: impl FnOnce(&mut Settings), control: &str) {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let drill = exhibit.drill();
    let keeper = Wished::new(drill, fault, change);
    let report = drilled(drill, &["not-yet-valid-caller"], Some(Box::new(keeper))).await;
    let row = row(&report, "not-yet-valid-caller");
    assert_eq!(row.answer, Answer::CannotJudge, "{row:#?}");
    assert!(row.says.contains(control), "{row:#?}");
}

async fn nothing_is_judged_where_anybody_comes_in() {
    let folder = TempDir::new().unwrap();
    let nothing = folder.path().join("nothing.pem");
    fs::write(&nothing, "").unwrap();
    let lets_in = |settings: &mut Settings| settings.files.trust = nothing;
    names(
        Fault::EmptyTrust,
        lets_in,
        "control: a caller of an authority",
    )
    .await;
}

async fn nothing_is_judged_where_a_good_caller_is_not_served() {
    let renamed = |settings: &mut Settings| {
        settings.callers.uris = ["spiffe://shop.example/other".to_owned()].into();
    };
    names(Fault::None, renamed, "control: a good caller is not served").await;
}

async fn nothing_is_judged_where_a_call_without_a_token_is_served() {
    let tokenless = |settings: &mut Settings| settings.token = None;
    names(Fault::None, tokenless, "control: a call without a token").await;
}

async fn with_the_reload_sent_elsewhere_the_swap_fails_and_nothing_else_is_judged() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let (drill, folder) = (exhibit.drill(), TempDir::new().unwrap());
    let keeper = Wished::new(drill, Fault::None, |_| {}).reading_in(folder.path());
    let cases = ["leaf-swap", "old-root-new"];
    let report = drilled(drill, &cases, Some(Box::new(keeper))).await;
    assert_eq!(
        row(&report, "leaf-swap").answer,
        Answer::Fail,
        "{report:#?}"
    );
    for word in &cases[1..] {
        let row = row(&report, word);
        assert_eq!(row.answer, Answer::CannotJudge, "{row:#?}");
        assert!(
            row.says.contains("is still served after `settle`"),
            "{row:#?}"
        );
    }
}

async fn a_target_that_takes_no_leaf_is_started_again_for_what_a_case_begins_with() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let keeper = Wished::new(exhibit.drill(), Fault::LeafSwap, |_| {});
    let cases = [
        "leaf-key-mismatch",
        "truncated-chain",
        "old-root-new",
        "old-root-established",
    ];
    let report = drilled(exhibit.drill(), &cases, Some(Box::new(keeper))).await;
    // It takes no whole pair, so nothing is learnt from half of one.
    for word in &cases[..2] {
        let row = row(&report, word);
        assert_eq!(row.answer, Answer::CannotJudge, "{row:#?}");
    }
    // It takes its roots, and what it does then is seen, though the leaf came by a restart.
    for word in &cases[2..] {
        assert_eq!(row(&report, word).answer, Answer::Pass, "{report:#?}");
    }
}

async fn a_target_that_takes_no_root_is_started_again_before_a_bundle_is_judged() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let keeper = Wished::new(exhibit.drill(), Fault::NewRootBeforeItsLeaves, |_| {});
    let cases = ["expired-root-in-bundle", "two-roots-one-name"];
    let report = drilled(exhibit.drill(), &cases, Some(Box::new(keeper))).await;
    for word in cases {
        assert_eq!(row(&report, word).answer, Answer::Pass, "{report:#?}");
    }
}

async fn a_stranger_s_certificate_is_told_from_an_old_one_of_ours() {
    let (ours, other) = (
        Exhibit::set_up(Fault::None, SETTING).unwrap(),
        Exhibit::set_up(Fault::None, SETTING).unwrap(),
    );
    // Another drill's service stands where this one's should.
    let mut keeper = Wished::new(other.drill(), Fault::None, |_| {});
    keeper.address = address(ours.drill());
    keeper.begin().await.unwrap();
    let there = drilled(other.drill(), &["not-yet-valid-caller"], None);
    let here = async {
        // The other drill has written its files by then.
        sleep(Duration::from_secs(1)).await;
        drilled(ours.drill(), &["leaf-swap"], None).await
    };
    let (_, report) = tokio::join!(there, here);
    let row = row(&report, "leaf-swap");
    assert_eq!(row.answer, Answer::CannotJudge, "{row:#?}");
    assert!(row.says.contains("something stands in between"), "{row:#?}");
}

/// Hands each connection to the next of two services in turn.
async fn in_turns(at: SocketAddr, to: [SocketAddr; 2]) -> AbortHandle {
    let listener = TcpListener::bind(at).await.unwrap();
    let accepting = async move {
        for to in to.into_iter().cycle() {
            let (mut here, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut there = TcpStream::connect(to).await.unwrap();
                copy_bidirectional(&mut here, &mut there).await.ok();
            });
        }
    };
    tokio::spawn(accepting).abort_handle()
}

async fn leaves_that_take_turns_are_several_backends() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let drill = exhibit.drill();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let good = started(Fault::None, &settings(drill), any).await;
    let bad = started(Fault::LeafSwap, &settings(drill), any).await;
    let proxy = in_turns(address(drill), [good.address(), bad.address()]).await;
    let report = drilled(drill, &["leaf-swap", "not-yet-valid-caller"], None).await;
    proxy.abort();
    assert_eq!(
        row(&report, "leaf-swap").answer,
        Answer::Fail,
        "{report:#?}"
    );
    let other = row(&report, "not-yet-valid-caller");
    assert_eq!(other.answer, Answer::CannotJudge, "{other:#?}");
    let told = report
        .notes
        .iter()
        .any(|note| note.contains("several backends"));
    assert!(told, "{report:#?}");
}

/// Asks for an end after the first answer.
#[derive(Default)]
struct Impatient {
    answered: usize,
}

impl Watcher for Impatient {
    fn tell(&mut self, event: &Event<'_>) {
        self.answered += usize::from(matches!(event, Event::Answered(_)));
    }

    fn interrupted<'w>(&'w mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'w>> {
        match self.answered {
            0 => Box::pin(std::future::pending()),
            _ => Box::pin(std::future::ready(())),
        }
    }
}

#[tokio::test]
async fn an_interrupt_keeps_what_is_known_and_puts_everything_back() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let drill = exhibit.drill();
    let keeper = Wished::new(drill, Fault::None, |_| {});
    let options = Options {
        cases: vec!["leaf-swap".to_owned(), "same-key-renewal".to_owned()],
        ..Options::default()
    };
    let mut impatient = Impatient::default();
    let report = run_kept(drill, &options, Some(Box::new(keeper)), &mut impatient)
        .await
        .unwrap();
    let words: Vec<&str> = report.rows.iter().map(|row| row.word.as_str()).collect();
    assert_eq!(words, ["leaf-swap"]);
    let told = report.notes.iter().any(|note| note.contains("interrupted"));
    assert!(told, "{:?}", report.notes);
    for file in [&drill.files.key, &drill.files.chain, &drill.files.trust] {
        assert!(!file.path.exists(), "{}", file.path.display());
    }
}

/// A case that is content with a target that it breaks.
const BREAKS: Scene = Scene {
    cases: &[Case {
        word: "leaf-swap",
        group: Group::Leaf,
        title: "",
        does: "",
        why: "",
        rests: Rests::Advice(""),
        needs: &[],
        worth: 1,
    }],
    before: Before::Good,
    about: |_| Duration::ZERO,
    act: |stage| Box::pin(breaks(stage)),
};

async fn breaks(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let leaf = stage.new_leaf(Signer::Old)?;
    let cut = Material::leaf(&leaf).cutting(Piece::Chain);
    stage.put(&cut).await?;
    sleep(Duration::from_secs(1)).await;
    let seen = |path, seen| Cell {
        change: Change::LeafRevoked,
        path,
        seen,
        step_ms: 100,
        allowed_ms: None,
    };
    let mut told = Told::pass("leaf-swap", "all is well");
    told.cells = vec![
        seen(Path::New, Seen::RefusedAtOnce),
        seen(Path::Stream, Seen::StillServed { watched_ms: 1_000 }),
    ];
    Ok(vec![told])
}

async fn a_pass_does_not_stand_if_the_controls_fail_after_it() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let drill = exhibit.drill();
    let mut keeper = Wished::new(drill, Fault::TruncatedChain, |_| {});
    keeper.starts = 1;
    let manner = Manner::default();
    let taken = Stage::take(drill, false, manner, Some(Box::new(keeper))).await;
    let mut stage = taken.unwrap();
    stage.begin().await.unwrap();
    let chosen = Chosen {
        scene: &BREAKS,
        cases: BREAKS.cases.iter().collect(),
        about: Duration::ZERO,
    };
    let mut tries = Tries::default();
    let rows = tries
        .scene(&mut stage, &chosen, (1, 1), &mut Unwatched)
        .await;
    let rows = rows.unwrap_or_else(|stop| panic!("{stop:?}"));
    stage.close().await.unwrap();
    assert_eq!(rows[0].answer, Answer::CannotJudge, "{rows:#?}");
    assert_eq!(rows[0].tries.len(), 2, "{rows:#?}");
    let is_blind = |cell: &Cell| matches!(cell.seen, Seen::CannotJudge { .. });
    assert!(rows[0].cells.len() == 2 && rows[0].cells.iter().all(is_blind));
}

async fn roots_that_are_read_at_the_start_alone_are_told_apart_from_roots_that_stay_out() {
    let exhibit = Exhibit::set_up(Fault::NewRootBeforeItsLeaves, SETTING).unwrap();
    let options = Options {
        cases: vec!["old-root-new".to_owned()],
        ..Options::default()
    };
    let report = exhibit.run(&options, &mut Unwatched).await.unwrap();
    // The new root counts after a new start, and so the removal of the old one could be judged.
    assert_eq!(
        row(&report, "old-root-new").answer,
        Answer::Fail,
        "{report:#?}"
    );
    let told = report
        .notes
        .iter()
        .any(|note| note.contains("started again"));
    assert!(told, "{:?}", report.notes);
}
