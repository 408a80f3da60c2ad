//! Others who write the same files, before the drill, during it and after it.

use super::*;

#[test]
fn deliver_takes_nothing_away_that_it_could_not_take_back() {
    let temp = tempfile::tempdir().unwrap();
    some(temp.path());
    let text = Place::take(&watching(temp.path(), WAYS[3]), true).unwrap_err();
    assert!(
        text.to_string()
            .contains("chain.pem` is not there, so `deliver` could take nothing back"),
        "{text}"
    );
    assert!(!temp.path().join(".schism").exists());
}

#[tokio::test]
async fn what_deliver_took_away_it_takes_back() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    whole(folder);
    let cp = "deliver = [\"cp\", \"tls/a/key.pem\", \"there\"]";
    let mut place = Place::take(&watching(folder, cp), true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    let there = || fs::read_to_string(folder.join("there")).unwrap();
    assert!(there().contains("BEGIN"));
    // As a journal may say that was written where more was absent.
    place.journal.entries[1].before = Before::Absent;
    place.restore().await.unwrap();
    assert_eq!(there(), "my key");
}

#[tokio::test]
async fn what_others_write_between_two_writes_of_the_drill_is_kept() {
    for way in &WAYS[..2] {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        some(folder);
        let key = folder.join("tls/a/key.pem");
        let mut place = Place::take(&watching(folder, way), true).unwrap();
        place.write(&everything(&house().2)).await.unwrap();
        place.write(&Material::leaf(&house().3)).await.unwrap();
        assert_eq!(place.journal.aside, [], "its own it does not keep");
        put(&key, "renewed meanwhile", 0o600);
        place.write(&Material::leaf(&house().2)).await.unwrap();
        place.is_back = true;
        let home = place.home().to_owned();
        drop(place);
        let restored = put_back(&home).await.unwrap().unwrap();
        let [(path, kept)] = &restored.aside[..] else {
            panic!("{restored:?}");
        };
        assert_eq!(*path, key);
        assert_eq!(fs::read_to_string(kept).unwrap(), "renewed meanwhile");
        assert_eq!(fs::read_to_string(&key).unwrap(), "my key");
        let told = restored.told();
        assert!(
            told[0].starts_with("WARNING: somebody else wrote `"),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn two_drills_by_other_names_never_have_the_same_files() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let drill = watching(folder, WAYS[0]);
    let mut other = drill.clone();
    other.file = "other.toml".to_owned();
    whole(folder);
    let place = Place::take(&drill, true).unwrap();
    let busy = Place::take(&other, true);
    assert!(matches!(busy, Err(PlaceError::Busy(_))), "{busy:?}");
    drop(place);
    drop(Place::take(&other, true).unwrap());
    assert!(die_after(usize::MAX, &drill));
    let ours = Place::take(&other, true);
    assert!(matches!(ours, Err(PlaceError::Ours { .. })), "{ours:?}");
    put_back(&home(&folder.join("drill.toml")))
        .await
        .unwrap()
        .unwrap();
    drop(Place::take(&other, true).unwrap());
}

#[test]
fn folders_that_the_drill_makes_are_its_own_while_it_lasts() {
    let temp = tempfile::tempdir().unwrap();
    let drill = watching(temp.path(), WAYS[0]);
    let mut other = drill.clone();
    other.file = "other.toml".to_owned();
    let place = Place::take(&drill, false).unwrap();
    let busy = Place::take(&other, true);
    assert!(matches!(busy, Err(PlaceError::Busy(_))), "{busy:?}");
    drop(place);
    drop(Place::take(&other, false).unwrap());
}

#[tokio::test]
async fn a_link_that_others_turned_is_theirs_again() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    kubernetes(folder);
    let data = folder.join("tls/..data");
    let says = || fs::read_link(&data).unwrap();
    let turn = |to: &str| {
        fs::remove_file(&data).unwrap();
        symlink(to, &data).unwrap();
    };
    let mut place = Place::take(&watching(folder, WAYS[2]), true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    put(&folder.join("tls/..2026_12/trust.pem"), "newer", 0o644);
    turn("..2026_12");
    place
        .write(&Material::default().trusting(&[]))
        .await
        .unwrap();
    assert_eq!(says(), Path::new("..schism-drill-2"));
    let restored = place.restore().await.unwrap();
    assert_eq!(says(), Path::new("..2026_12"));
    assert!(restored.notes[0].contains("turned"), "{restored:?}");
    // The same after the last write.
    drop(place);
    turn("..2026_11");
    let mut place = Place::take(&watching(folder, WAYS[2]), true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    turn("..2026_12");
    let restored = place.restore().await.unwrap();
    assert_eq!(says(), Path::new("..2026_12"));
    assert!(restored.notes[0].contains("it stays so"), "{restored:?}");
}

#[tokio::test]
async fn a_generation_that_is_gone_is_not_led_to() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    kubernetes(folder);
    let mut place = Place::take(&watching(folder, WAYS[2]), true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    fs::remove_dir_all(folder.join("tls/..2026_11")).unwrap();
    let home = place.home().to_owned();
    let said = place.restore().await.unwrap_err().to_string();
    assert!(
        said.contains("it led to `..2026_11`, which is gone"),
        "{said}"
    );
    assert_ne!(
        fs::read_to_string(folder.join("tls/trust.pem")).unwrap(),
        ""
    );
    let copies: Vec<String> = fs::read_dir(home.join("before"))
        .unwrap()
        .map(|copy| fs::read_to_string(copy.unwrap().path()).unwrap())
        .collect();
    assert!(copies.contains(&"trust.pem".to_owned()), "{copies:?}");
    let other = fs::read_link(folder.join("tls/a/..data")).unwrap();
    assert_eq!(other, Path::new("..2026_11"), "the rest is as it was");
}

#[tokio::test]
async fn a_link_leads_nobody_to_a_victim() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    kubernetes(folder);
    put(&folder.join("victim/trust.pem"), "precious", 0o644);
    let data = folder.join("tls/..data");
    let mut place = Place::take(&watching(folder, WAYS[2]), true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    fs::remove_file(&data).unwrap();
    symlink("..schism-drill-1/../../victim", &data).unwrap();
    place
        .write(&Material::default().trusting(&[]))
        .await
        .unwrap();
    assert!(folder.join("victim/trust.pem").exists());
    place.is_back = true;
    drop(place);
    // In place, through a link that appeared after the files were taken.
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    whole(folder);
    put(&folder.join("victim"), "precious", 0o644);
    let key = folder.join("tls/a/key.pem");
    let mut place = Place::take(&watching(folder, WAYS[1]), true).unwrap();
    fs::remove_file(&key).unwrap();
    symlink("../../victim", &key).unwrap();
    place.write(&everything(&house().2)).await.unwrap_err();
    let victim = folder.join("victim");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(fs::metadata(&victim).unwrap().mode() & 0o777, 0o644);
}
