//! The controls, one failing at a time: what a run says then, and that it never says fail.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::{Event, Options, Unwatched, Watcher, run_kept};
use crate::drill::answer::{Answer, CaseRow, Report};
use crate::drill::exhibit::{Exhibit, Setting};
use crate::drill::file::{DrillFile, Jwks as Where};
use crate::drill::planted::{Callers, Fault, Files, Jwks, Planted, Settings, TokenRules};
use crate::drill::stage::Keeper;

const SETTING: Setting = Setting {
    settle: Duration::from_secs(2),
    demand: Duration::from_secs(2),
    serves_keys: false,
    is_client: false,
};

/// The settings of a service that is just what the file says.
fn settings(drill: &DrillFile) -> Settings {
    let files = &drill.files;
    let token = drill.token.as_ref().unwrap();
    let Where::File(jwks) = &token.jwks else {
        panic!("the list is in a file");
    };
    Settings {
        files: Files {
            key: files.key.path.clone(),
            chain: files.chain.path.clone(),
            trust: files.trust.path.clone(),
            crl: files.crl.as_ref().map(|crl| crl.path.clone()),
        },
        callers: Callers {
            uris: drill.caller.uri.iter().cloned().collect(),
            dns: drill.caller.dns.iter().cloned().collect(),
        },
        token: Some(TokenRules {
            jwks: Jwks::File(jwks.clone()),
            issuer: token.issuer.clone(),
            audience: token.audience[0].clone(),
            header: token.header.clone(),
        }),
    }
}

async fn started(fault: Fault, settings: &Settings, address: SocketAddr) -> Planted {
    for _ in 0..100 {
        if let Ok(planted) = Planted::start(fault, settings.clone(), address).await {
            return planted;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{address} is not free")
}

fn address(drill: &DrillFile) -> SocketAddr {
    drill.target.address.to_string().parse().unwrap()
}

/// Starts a service as a test wishes, and anew only as often as it may.
struct Wished {
    fault: Fault,
    settings: Settings,
    address: SocketAddr,
    /// Where it reads instead: what is in the files at its start is copied there.
    elsewhere: Option<PathBuf>,
    starts: usize,
    running: Option<Planted>,
}

impl Wished {
    fn new(drill: &DrillFile, fault: Fault, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(drill);
        change(&mut settings);
        Self {
            fault,
            settings,
            address: address(drill),
            elsewhere: None,
            starts: usize::MAX,
            running: None,
        }
    }

    fn reading_in(mut self, folder: &Path) -> Self {
        self.elsewhere = Some(folder.to_owned());
        self.starts = 1;
        self
    }

    async fn begin(&mut self) -> Result<(), String> {
        if self.starts == 0 {
            return Ok(());
        }
        self.starts -= 1;
        self.running = None;
        let mut settings = self.settings.clone();
        if let Some(folder) = &self.elsewhere {
            let files = &mut settings.files;
            let all = [&mut files.key, &mut files.chain, &mut files.trust];
            for path in all.into_iter().chain(files.crl.as_mut()) {
                let there = folder.join(path.file_name().unwrap());
                fs::copy(&*path, &there).unwrap();
                *path = there;
            }
        }
        self.running = Some(started(self.fault, &settings, self.address).await);
        Ok(())
    }
}

impl Keeper for Wished {
    fn restart<'k>(&'k mut self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'k>> {
        Box::pin(self.begin())
    }
}

async fn drilled(drill: &DrillFile, cases: &[&str], keeper: Option<Box<dyn Keeper>>) -> Report {
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

#[tokio::test]
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

#[tokio::test]
async fn nothing_is_judged_where_a_good_caller_is_not_served() {
    let renamed = |settings: &mut Settings| {
        settings.callers.uris = ["spiffe://shop.example/other".to_owned()].into();
    };
    names(Fault::None, renamed, "control: a good caller is not served").await;
}

#[tokio::test]
async fn nothing_is_judged_where_a_call_without_a_token_is_served() {
    let tokenless = |settings: &mut Settings| settings.token = None;
    names(Fault::None, tokenless, "control: a call without a token").await;
}

#[tokio::test]
async fn with_the_reload_sent_elsewhere_the_swap_fails_and_nothing_else_is_judged() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let (drill, folder) = (exhibit.drill(), TempDir::new().unwrap());
    let keeper = Wished::new(drill, Fault::None, |_| {}).reading_in(folder.path());
    let cases = ["leaf-swap", "old-root-new", "not-yet-valid-caller"];
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

#[tokio::test]
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

#[tokio::test]
async fn a_target_that_takes_no_root_is_started_again_before_a_bundle_is_judged() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let keeper = Wished::new(exhibit.drill(), Fault::NewRootBeforeItsLeaves, |_| {});
    let cases = ["expired-root-in-bundle", "two-roots-one-name"];
    let report = drilled(exhibit.drill(), &cases, Some(Box::new(keeper))).await;
    for word in cases {
        assert_eq!(row(&report, word).answer, Answer::Pass, "{report:#?}");
    }
}

#[tokio::test]
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

#[tokio::test]
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
