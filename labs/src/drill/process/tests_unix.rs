//! What a drill starts it ends, with all that came of it.

use std::net::TcpListener;

use super::*;
use crate::drill::file::DrillFile;

fn argv(line: &str) -> Vec<String> {
    ["sh", "-c", line].map(str::to_owned).to_vec()
}

/// A target at a port that nobody has, started so.
fn target(start: &str, stop: Option<&str>) -> (Target, u16) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let text = format!(
        "format = 1\n[target]\naddress = \"127.0.0.1:{port}\"\nreload = []\n\
         settle = \"10s\"\n[files]\nkey = \"k\"\nchain = \"c\"\n\
         trust = \"t\"\n[caller]\ndns = \"d\"\n[calls]\nallowed = \"s.S/M\"\n"
    );
    let mut target = DrillFile::parse("f", &text, Path::new("/")).unwrap().target;
    target.start = Some(argv(&start.replace("PORT", &port.to_string())));
    target.stop = stop.map(argv);
    (target, port)
}

const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_command_has_the_variable_its_folder_and_its_end_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    run("reload", &argv("echo $SCHISM_DRILL > it"), at, LONG)
        .await
        .unwrap();
    assert_eq!(std::fs::read_to_string(at.join("it")).unwrap(), "1\n");
    let failing = argv("seq 1 5000; echo \"no 'good'\" >&2; exit 3");
    let said = run("reload", &failing, at, LONG)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.starts_with("`reload` ran `sh`, which ended with exit status: 3"),
        "{said}"
    );
    assert!(said.contains("no 'good'") && said.len() < 500, "{said}");
    let none = run("stop", &["./none".to_owned()], at, LONG)
        .await
        .unwrap_err();
    assert!(matches!(none, ProcessError::NotRun { .. }), "{none}");
    let said = run("deliver", &argv("echo on; sleep 60"), at, SHORT)
        .await
        .unwrap_err();
    assert!(
        matches!(&said, ProcessError::Endless { said, .. } if said == "on"),
        "{said}"
    );
}

#[tokio::test]
async fn a_path_starts_from_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    let script = temp.path().join("r.sh");
    std::fs::write(&script, "#!/bin/sh\necho \"$1\" > it\n").unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let order = ["./r.sh".to_owned(), "a b; c".to_owned()];
    run("reload", &order, temp.path(), LONG).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(temp.path().join("it")).unwrap(),
        "a b; c\n"
    );
}

#[tokio::test]
async fn start_waits_for_the_address_and_stop_ends_the_whole_group() {
    let temp = tempfile::tempdir().unwrap();
    let (target, port) = target("(trap '' TERM; exec sleep 300) & echo $! > it; wait", None);
    let mut running = Running::begin(&target, temp.path()).await.unwrap().unwrap();
    let silent = running.up(&target.address, SHORT).await.unwrap_err();
    assert!(matches!(silent, ProcessError::Silent { .. }), "{silent}");
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    running.up(&target.address, LONG).await.unwrap();
    let below: u32 = std::fs::read_to_string(temp.path().join("it"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let lives = || {
        std::fs::read_to_string(format!("/proc/{below}/stat")).is_ok_and(|it| !it.contains(") Z "))
    };
    if cfg!(target_os = "linux") {
        assert!(lives());
    }
    running.stop().await.unwrap();
    for _ in 0..100 {
        if !lives() {
            break;
        }
        sleep(STEP).await;
    }
    assert!(!lives(), "what the target started is ended with it");
    let taken = Running::begin(&target, temp.path()).await.unwrap_err();
    assert!(matches!(taken, ProcessError::Taken(_)), "{taken}");
    drop(listener);
}

#[tokio::test]
async fn a_target_that_ends_or_hides_is_told_apart() {
    let temp = tempfile::tempdir().unwrap();
    let (broken, _) = target("echo bad config >&2; exit 1", None);
    let mut running = Running::begin(&broken, temp.path()).await.unwrap().unwrap();
    let said = running
        .up(&broken.address, LONG)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("exit status: 1; it said: bad config"),
        "{said}"
    );
    let (hidden, _) = target("exit 0", None);
    let mut running = Running::begin(&hidden, temp.path()).await.unwrap().unwrap();
    let said = running.up(&hidden.address, LONG).await.unwrap_err();
    assert!(matches!(said, ProcessError::Background(_)), "{said}");
    // With a `stop`, it may be in the background.
    let (hidden, port) = target("exit 0", Some("touch stopped"));
    let mut running = Running::begin(&hidden, temp.path()).await.unwrap().unwrap();
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    running.up(&hidden.address, LONG).await.unwrap();
    running.stop().await.unwrap();
    assert!(temp.path().join("stopped").exists());
}

#[tokio::test]
async fn what_a_dead_drill_left_is_ended_only_if_it_is_that() {
    let temp = tempfile::tempdir().unwrap();
    let (target, _) = target("sleep 300", None);
    let mut running = Running::begin(&target, temp.path()).await.unwrap().unwrap();
    let mark = running.mark().clone();
    if mark.born.is_none() {
        eprintln!("SKIPPED: this system does not tell when a process began");
        return;
    }
    let other = Mark {
        born: Some("another boot 1".to_owned()),
        ..mark.clone()
    };
    assert_eq!(other.end().await, Left::Gone);
    sleep(STEP * 4).await;
    assert!(
        running.ended().is_none(),
        "a stranger with the same number is let be"
    );
    let own = std::mem::replace(&mut running.mark, other);
    running.signal(group::kill);
    sleep(STEP * 4).await;
    assert!(running.ended().is_none(), "nor by whoever had started it");
    running.mark = own;
    let unknown = Mark {
        born: None,
        ..mark.clone()
    };
    assert_eq!(unknown.end().await, Left::Unsure);
    assert!(running.ended().is_none());
    assert_eq!(mark.end().await, Left::Ended);
    assert_eq!(mark.end().await, Left::Gone);
    assert!(running.child.wait().await.is_ok());
}

/// Who a command of a shell wrote into a file, once it has.
async fn written(at: &Path) -> u32 {
    for _ in 0..200 {
        let text = std::fs::read_to_string(at).unwrap_or_default();
        if let Some(Ok(pid)) = text.strip_suffix('\n').map(str::parse) {
            return pid;
        }
        sleep(STEP).await;
    }
    panic!("nobody wrote into {}", at.display());
}

fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|it| !it.contains(") Z "))
}

async fn dies(pid: u32) -> bool {
    for _ in 0..100 {
        if !lives(pid) {
            return true;
        }
        sleep(STEP).await;
    }
    false
}

#[tokio::test]
async fn a_command_that_is_interrupted_ends_with_all_that_it_started() {
    let temp = tempfile::tempdir().unwrap();
    let it = temp.path().join("it");
    let command = argv("sleep 300 & echo $! > it; wait");
    let running = run("reload", &command, temp.path(), LONG * 10);
    let pid = tokio::select! {
        biased;
        _ = running => panic!("it does not end"),
        pid = written(&it) => pid,
    };
    if cfg!(target_os = "linux") {
        assert!(dies(pid).await);
        // What a command that ends by itself leaves in the background stays.
        std::fs::remove_file(&it).unwrap();
        let command = argv("sleep 300 >&- 2>&- & echo $! > it");
        run("reload", &command, temp.path(), LONG).await.unwrap();
        let pid = written(&it).await;
        sleep(STEP * 4).await;
        assert!(lives(pid));
        run("stop", &argv(&format!("kill {pid}")), temp.path(), LONG)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_a_dead_target_of_a_dead_drill_started_is_ended() {
    let temp = tempfile::tempdir().unwrap();
    let (target, _) = target("sleep 300 & echo $! > it; wait", None);
    let mut running = Running::begin(&target, temp.path()).await.unwrap().unwrap();
    let mark = running.mark().clone();
    if mark.born.is_none() {
        eprintln!("SKIPPED: this system does not tell when a process began");
        return;
    }
    let below = written(&temp.path().join("it")).await;
    running.child.kill().await.unwrap();
    assert!(lives(below));
    let before = Mark {
        born: Some("another boot 1".to_owned()),
        ..mark.clone()
    };
    assert_eq!(before.end().await, Left::Gone);
    sleep(STEP * 4).await;
    assert!(lives(below), "groups of another boot are others'");
    assert_eq!(mark.end().await, Left::Gone);
    assert!(dies(below).await);
}

#[tokio::test]
async fn stop_is_over_when_nobody_answers_any_more() {
    let temp = tempfile::tempdir().unwrap();
    let (target, port) = target("exit 0", Some("true"));
    let mut running = Running::begin(&target, temp.path()).await.unwrap().unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    let leaving = async {
        sleep(STEP * 10).await;
        drop(listener);
    };
    let again = async {
        running.stop().await.unwrap();
        Running::begin(&target, temp.path()).await
    };
    let (again, ()) = tokio::join!(again, leaving);
    assert!(again.is_ok(), "{again:?}");
}
