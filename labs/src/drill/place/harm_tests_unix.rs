//! What must not go wrong when everything is put back, and what is refused before.

use super::*;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_journal_that_others_may_have_put_there_is_not_believed() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    some(folder);
    let drill = watching(folder, WAYS[0]);
    assert!(die_after(usize::MAX, &drill));
    let home = home(&folder.join("drill.toml"));
    let above = home.parent().unwrap().to_owned();
    let workspace = folder.join(".schism");
    // As whoever checks a repository out has them, or in a folder that is everybody's.
    for (path, mode) in [
        (home.clone(), 0o755),
        (above, 0o755),
        (workspace, 0o777),
        (home.join("lock"), 0o644),
        (home.join("journal.json"), 0o644),
    ] {
        let own = fs::metadata(&path).unwrap().mode() & 0o777;
        chmod(&path, mode);
        for said in [
            put_back(&home).await.map(|_| ()),
            due(&home).map(|_| ()),
            Place::take(&drill, true).map(|_| ()),
        ] {
            let why = said.unwrap_err();
            assert!(matches!(why, PlaceError::Doubted { .. }), "{why}");
        }
        chmod(&path, own);
    }
    let journal = home.join("journal.json");
    let text = fs::read_to_string(&journal).unwrap();
    let strange = text.replacen("\"backup\": \"0\"", "\"backup\": \"/etc/passwd\"", 1);
    assert_ne!(text, strange);
    fs::write(&journal, strange).unwrap();
    let why = put_back(&home).await.unwrap_err().to_string();
    assert!(
        why.contains("`/etc/passwd` is no copy of the drill's"),
        "{why}"
    );
    fs::rename(&journal, home.join("elsewhere")).unwrap();
    symlink("elsewhere", &journal).unwrap();
    assert!(put_back(&home).await.is_err());
}

#[tokio::test]
async fn what_will_be_run_can_be_seen_first() {
    let temp = tempfile::tempdir().unwrap();
    let told = drill(temp.path(), "reload = [\"true\", \"1\"]", WAYS[0]);
    let home = home(&temp.path().join("drill.toml"));
    assert_eq!(due(&home).unwrap(), []);
    assert!(die_after(usize::MAX, &told));
    let reload = vec!["true".to_owned(), "1".to_owned()];
    assert_eq!(due(&home).unwrap(), [("reload", reload)]);
}

#[tokio::test]
async fn a_real_key_is_never_there_with_the_rights_of_one_of_ours() {
    for steps in 0.. {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        whole(folder);
        let key = folder.join("tls/a/key.pem");
        chmod(&key, 0o600);
        assert!(die_after(usize::MAX, &watching(folder, WAYS[1])));
        assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o640);
        let home = home(&folder.join("drill.toml"));
        let hand = Hand::dying_after(steps);
        let done = undo::put_back_with(&home, Commands::All, &hand).await;
        let text = fs::read_to_string(&key).unwrap();
        let mode = fs::metadata(&key).unwrap().mode() & 0o777;
        assert!(
            !text.starts_with("my") || mode == 0o600,
            "{steps}: {mode:o}"
        );
        if done.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_put_back_stops_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    whole(folder);
    let told = drill(
        folder,
        "reload = [\"cp\", \"tls/crl.pem\", \"told\"]",
        WAYS[0],
    );
    assert!(die_after(usize::MAX, &told));
    let home = home(&folder.join("drill.toml"));
    // The copy of `trust`, which is between the others.
    let copy = home.join("before/2");
    let bytes = fs::read(&copy).unwrap();
    fs::remove_file(&copy).unwrap();
    let why = put_back(&home).await.unwrap_err();
    let PlaceError::Partly { restored, flaws } = why else {
        panic!("{why}");
    };
    assert_eq!((restored.put_back.len(), flaws.len()), (3, 1), "{flaws:?}");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(text("tls/a/key.pem"), "my key");
    assert_eq!(text("told"), "my lists");
    fs::write(&copy, bytes).unwrap();
    put_back(&home).await.unwrap().unwrap();
    assert_eq!(text("tls/trust.pem"), "my trust");
}

#[tokio::test]
async fn commands_that_fail_can_be_left_out() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    some(folder);
    let before = seen(folder);
    let told = drill(folder, "reload = [\"false\"]", WAYS[0]);
    assert!(die_after(usize::MAX, &told));
    let home = home(&folder.join("drill.toml"));
    for _ in 0..2 {
        let why = put_back(&home).await.unwrap_err().to_string();
        assert!(
            why.contains("`schism drill restore --without-commands`"),
            "{why}"
        );
    }
    assert_eq!(seen(folder), before);
    let restored = put_back_without_commands(&home).await.unwrap().unwrap();
    assert_eq!(restored.notes, ["`reload` was not run: `false`"]);
    assert_eq!(put_back(&home).await.unwrap(), None);
}

#[tokio::test]
async fn a_home_that_cannot_be_looked_at_is_not_a_home_that_is_not_there() {
    let temp = tempfile::tempdir().unwrap();
    put(&temp.path().join("file"), "", 0o600);
    let why = put_back(&temp.path().join("file/drill/home")).await;
    assert!(matches!(why, Err(PlaceError::Disk { .. })), "{why:?}");
}

#[test]
fn a_file_of_two_names_stays_one_file() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    some(folder);
    fs::hard_link(folder.join("tls/trust.pem"), folder.join("twin")).unwrap();
    let why = Place::take(&watching(folder, WAYS[0]), true).unwrap_err();
    assert!(why.to_string().contains("has 2 names"), "{why}");
    drop(Place::take(&watching(folder, WAYS[1]), true).unwrap());
}

#[tokio::test]
async fn no_copy_of_a_key_is_left_without_a_journal() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    some(folder);
    put(&folder.join("tls/..data"), "no link", 0o644);
    let home = home(&folder.join("drill.toml"));
    let why = Place::take(&watching(folder, WAYS[2]), true).unwrap_err();
    assert!(matches!(why, PlaceError::NoFile { .. }), "{why}");
    assert!(!home.join("before").exists());
    let ignored = fs::read_to_string(folder.join(".schism/.gitignore")).unwrap();
    assert_eq!(ignored, "*\n");
    let mut had_copies = false;
    for steps in 0.. {
        let done = die_after(steps, &watching(folder, WAYS[0]));
        had_copies |= home.join("before/0").exists() && !home.join("journal.json").exists();
        put_back(&home).await.unwrap();
        assert!(!home.join("before").exists(), "{steps}");
        if done {
            break;
        }
    }
    assert!(had_copies);
}

#[test]
fn names_that_the_drill_needs_are_not_taken_from_others() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let beside = folder.join("tls/a/.key.pem.schism-drill");
    put(&beside, "mine", 0o644);
    let why = Place::take(&watching(folder, WAYS[0]), true).unwrap_err();
    assert!(matches!(why, PlaceError::Needed { .. }), "{why}");
    assert_eq!(fs::read_to_string(&beside).unwrap(), "mine");
}

#[tokio::test]
async fn a_generation_is_as_open_as_the_one_before() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    kubernetes(folder);
    chmod(&folder.join("tls/..2026_11"), 0o710);
    let mut place = Place::take(&watching(folder, WAYS[2]), true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    let mode = fs::metadata(folder.join("tls/..data")).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o710);
    drop(place);
}

#[tokio::test]
async fn an_interrupted_drill_is_told_before_its_files_are() {
    let temp = tempfile::tempdir().unwrap();
    let drill = watching(temp.path(), WAYS[0]);
    assert!(die_after(usize::MAX, &drill));
    let said = Place::take(&drill, false);
    assert!(matches!(said, Err(PlaceError::Interrupted)), "{said:?}");
}

#[tokio::test]
async fn putting_back_that_is_broken_off_is_done_at_the_drop() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    some(folder);
    let before = seen(folder);
    let told = drill(
        folder,
        "reload = []\nstart = [\"true\"]\nstop = [\"sleep\", \"60\"]",
        WAYS[0],
    );
    let mut place = Place::take(&told, true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    place
        .note(Some(Mark::about_to(&["true".to_owned()])))
        .unwrap();
    let soon = Duration::from_millis(300);
    assert!(tokio::time::timeout(soon, place.restore()).await.is_err());
    drop(place);
    assert_eq!(seen(folder), before);
}
