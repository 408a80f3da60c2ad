//! Drills that die: at every step in turn, and by a real kill.

use super::*;

/// A folder in memory if the system has one: hundreds of drills that die would wait for the disk.
fn quick() -> tempfile::TempDir {
    let memory = tempfile::tempdir_in("/dev/shm");
    memory.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Dies at every step of a drill in turn, and puts back each time.
async fn every_step(world: fn(&Path), way: &str) {
    for steps in 0.. {
        let temp = quick();
        let folder = temp.path();
        world(folder);
        let before = seen(folder);
        let drill = watching(folder, way);
        let done = die_after(steps, &drill);
        let home = home(&folder.join("drill.toml"));
        put_back(&home).await.unwrap();
        assert_eq!(seen(folder), before, "{way}, dead after {steps} steps");
        assert_eq!(put_back(&home).await.unwrap(), None, "{way}, {steps}");
        if done {
            assert!(steps > 20, "{steps}");
            return;
        }
    }
}

#[tokio::test]
async fn whatever_step_is_the_last_all_is_put_back() {
    for way in &WAYS[..3] {
        every_step(nothing, way).await;
        every_step(some, way).await;
    }
    every_step(whole, WAYS[3]).await;
    every_step(kubernetes, WAYS[2]).await;
}

#[tokio::test]
async fn putting_back_may_be_interrupted_at_every_step_too() {
    for (world, way) in [
        (some as fn(&Path), WAYS[0]),
        (some, WAYS[1]),
        (some, WAYS[2]),
        (kubernetes, WAYS[2]),
    ] {
        for steps in 0.. {
            let temp = quick();
            let folder = temp.path();
            world(folder);
            let before = seen(folder);
            assert!(die_after(usize::MAX, &watching(folder, way)));
            assert_ne!(seen(folder), before);
            let home = home(&folder.join("drill.toml"));
            let first = undo::put_back_with(&home, Commands::All, &Hand::dying_after(steps)).await;
            put_back(&home).await.unwrap();
            assert_eq!(seen(folder), before, "{way}, put back for {steps} steps");
            if first.is_ok() {
                break;
            }
        }
    }
}

/// Set for the process that is to be killed: the folder that it drills.
const KILLED: &str = "SCHISM_DRILL_TEST_KILLED";

/// No test of its own: [`a_drill_that_is_killed_for_real_is_put_back`] runs it, and kills it.
#[tokio::test]
async fn the_one_that_is_killed() {
    let Some(folder) = std::env::var_os(KILLED).map(PathBuf::from) else {
        return;
    };
    let started = drill(
        &folder,
        "reload = []\nstart = [\"sleep\", \"300\"]",
        WAYS[0],
    );
    let mut place = Place::take(&started, true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    // Nothing will answer, and long before that this process is no more.
    let _ = place.start(&started.target, Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_drill_that_is_killed_for_real_is_put_back() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    some(folder);
    let before = seen(folder);
    let mut drill = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "drill::place::tests::interrupted::the_one_that_is_killed",
        ])
        .env(KILLED, folder)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let home = home(&folder.join("drill.toml"));
    // Not yet what is noted before it runs.
    let runs = |mark: &Mark| mark.pid != 0;
    let started = || {
        let journal = Journal::read(&home).ok().flatten();
        journal.and_then(|it| it.started).filter(runs)
    };
    let mut mark = None;
    for _ in 0..1_000 {
        mark = started();
        if mark.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drill.kill().await.unwrap();
    let mark = mark.expect("it got so far");
    assert_ne!(seen(folder), before);
    let restored = put_back(&home).await.unwrap().unwrap();
    assert_eq!(seen(folder), before);
    if mark.born.is_some() {
        assert_eq!(
            restored.notes,
            ["ended `sleep`, which the drill had started"]
        );
        assert_eq!(mark.end().await, process::Left::Gone);
    }
}

#[tokio::test]
async fn after_a_kill_the_target_is_told_or_ended() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    put(&folder.join("tls/trust.pem"), "mine", 0o644);
    let told = drill(
        folder,
        "reload = [\"sh\", \"-c\", \"cp tls/trust.pem told\"]",
        WAYS[0],
    );
    assert!(die_after(usize::MAX, &told));
    let home = home(&folder.join("drill.toml"));
    put_back(&home).await.unwrap().unwrap();
    assert_eq!(fs::read_to_string(folder.join("told")).unwrap(), "mine");
    let start = "reload = []\nstart = [\"sleep\", \"300\"]\nstop = [\"touch\", \"stopped\"]";
    let started = drill(folder, start, WAYS[0]);
    let mut place = Place::take(&started, true).unwrap();
    let running = Running::begin(&started.target, folder)
        .await
        .unwrap()
        .unwrap();
    place.note(Some(running.mark().clone())).unwrap();
    place.is_back = true;
    drop(place);
    let restored = put_back(&home).await.unwrap().unwrap();
    assert!(folder.join("stopped").exists());
    if running.mark().born.is_some() {
        assert_eq!(
            restored.notes,
            ["ended `sleep`, which the drill had started"]
        );
    }
}

#[tokio::test]
async fn what_was_about_to_start_is_told_and_what_cannot_start_is_not() {
    let temp = tempfile::tempdir().unwrap();
    let start = "reload = []\nstart = [\"./none\"]";
    let started = drill(temp.path(), start, WAYS[0]);
    let home = home(&temp.path().join("drill.toml"));
    let mut place = Place::take(&started, false).unwrap();
    let failed = place.start(&started.target, Duration::from_secs(1)).await;
    assert!(matches!(
        failed,
        Err(PlaceError::Command(ProcessError::NotRun { .. }))
    ));
    assert_eq!(place.journal.started, None);
    place
        .note(Some(Mark::about_to(&["./none".to_owned()])))
        .unwrap();
    place.is_back = true;
    drop(place);
    let restored = put_back(&home).await.unwrap().unwrap();
    assert!(
        restored.notes[0].contains("was about to start `./none`"),
        "{restored:?}"
    );
}

#[test]
fn a_drill_may_move_between_threads() {
    const fn moves<T: Send>(_: &Option<T>) {}
    moves::<Place>(&None);
    moves::<Running>(&None);
    moves::<Material>(&None);
}

#[tokio::test]
async fn a_target_that_does_not_come_up_leaves_neither_process_nor_note() {
    let temp = tempfile::tempdir().unwrap();
    let started = drill(
        temp.path(),
        "reload = []\nstart = [\"sleep\", \"300\"]",
        WAYS[0],
    );
    let mut place = Place::take(&started, false).unwrap();
    let up = place
        .start(&started.target, Duration::from_millis(200))
        .await;
    assert!(
        matches!(up, Err(PlaceError::Command(ProcessError::Silent { .. }))),
        "{up:?}"
    );
    assert_eq!(place.journal.started, None);
    let home = place.home().to_owned();
    drop(place);
    assert_eq!(
        put_back(&home).await.unwrap(),
        None,
        "dropped, it has put everything back"
    );
}
