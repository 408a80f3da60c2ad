//! Files are taken, swapped and put back: modes, links and owners as they were.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::OnceLock;

use super::*;
use crate::drill::authority::{Authority, CrlWish, Issuer, Leaf, LeafWish, Life, Role, Root};
use crate::drill::clock;
use crate::drill::file::Piece;

#[path = "harm_tests_unix.rs"]
mod harm;
#[path = "interrupted_tests_unix.rs"]
mod interrupted;
#[path = "others_tests_unix.rs"]
mod others;

/// A root, an issuer and two leaves: keys take a while.
fn house() -> &'static (Root, Issuer, Leaf, Leaf) {
    static HOUSE: OnceLock<(Root, Issuer, Leaf, Leaf)> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let now = clock::date();
        let root = Authority::new(now).new_root("root").unwrap();
        let issuer = root.issuer("issuer").unwrap();
        let life = Life::from_now(now, Duration::from_secs(3600));
        let leaf = || issuer.leaf(&LeafWish::new(Role::Both, life)).unwrap();
        let (one, two) = (leaf(), leaf());
        (root, issuer, one, two)
    })
}

fn everything(leaf: &Leaf) -> Material {
    let (root, issuer, ..) = house();
    let life = Life::from_now(clock::date(), Duration::from_secs(3600));
    let wish = CrlWish {
        number: 1,
        life,
        revoked: vec![],
    };
    let (one, two) = (issuer.crl(&wish).unwrap(), root.crl(&wish).unwrap());
    Material::leaf(leaf)
        .trusting(&[root])
        .revoking(&[&one, &two])
}

/// A drill.toml in that folder, with these lines more under `[target]` and `[files]`.
fn drill(folder: &Path, target: &str, files: &str) -> DrillFile {
    let text = format!(
        "format = 1\n[target]\naddress = \"127.0.0.1:1\"\n{target}\nsettle = \"10s\"\n[files]\n\
         key = {{ path = \"tls/a/key.pem\", mode = \"0640\" }}\nchain = \"tls/a/chain.pem\"\n\
         trust = \"tls/trust.pem\"\ncrl = \"tls/crl.pem\"\n{files}\n\
         [caller]\ndns = \"d\"\n[calls]\nallowed = \"s.S/M\"\n"
    );
    DrillFile::parse("drill.toml", &text, folder).unwrap()
}

fn watching(folder: &Path, files: &str) -> DrillFile {
    drill(folder, "reload = []", files)
}

/// Everything below a folder but the drill's own: what it is, and its mode.
fn seen(folder: &Path) -> BTreeMap<PathBuf, (String, u32)> {
    let mut seen = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(".schism") {
                continue;
            }
            let metadata = fs::symlink_metadata(&path).unwrap();
            let what = if metadata.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                left.push(path.clone());
                "folder".to_owned()
            } else {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            };
            let mode = if metadata.is_symlink() {
                0
            } else {
                metadata.mode() & 0o777
            };
            seen.insert(path, (what, mode));
        }
    }
    seen
}

fn put(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What may have been there before the drill.
fn nothing(_: &Path) {}

fn some(folder: &Path) {
    put(&folder.join("tls/a/key.pem"), "my key", 0o604);
    put(&folder.join("tls/trust.pem"), "my trust", 0o600);
    put(&folder.join("tls/other"), "mine", 0o640);
}

fn whole(folder: &Path) {
    some(folder);
    put(&folder.join("tls/a/chain.pem"), "my chain", 0o644);
    put(&folder.join("tls/crl.pem"), "my lists", 0o644);
}

fn kubernetes(folder: &Path) {
    for (below, names) in [
        ("tls/a", ["key.pem", "chain.pem"]),
        ("tls", ["trust.pem", "more"]),
    ] {
        let folder = folder.join(below);
        for name in names {
            put(&folder.join("..2026_11").join(name), name, 0o644);
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
        symlink("..2026_11", folder.join("..data")).unwrap();
    }
}

const WAYS: [&str; 4] = [
    "swap = \"rename\"",
    "swap = \"in-place\"",
    "swap = \"symlink\"",
    "deliver = [\"true\"]",
];

/// A drill that dies after so many steps; whether it got to its end.
fn die_after(steps: usize, drill: &DrillFile) -> bool {
    let (_, _, one, two) = house();
    let Ok(mut place) = Place::take_with(drill, true, Hand::dying_after(steps)) else {
        return false;
    };
    let done = place.write_files(&everything(one)).is_ok()
        && place.write_files(&Material::half(two)).is_ok();
    // The dead put nothing back.
    place.is_back = true;
    done
}

#[tokio::test]
async fn each_way_writes_what_is_asked_as_it_is_asked() {
    let (root, _, one, two) = house();
    for way in WAYS {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        let delivers = way.contains("deliver");
        if delivers {
            whole(folder)
        } else {
            some(folder)
        }
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let inode = || fs::metadata(folder.join("tls/trust.pem")).unwrap().ino();
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().mode() & 0o777;
        let mut place = Place::take(&watching(folder, way), true).unwrap();
        assert_eq!(text("tls/a/key.pem"), "my key", "nothing has changed yet");
        let old = inode();
        place.write(&everything(one)).await.unwrap();
        assert_eq!(old == inode(), way.contains("in-place"), "{way}");
        assert_eq!(
            text("tls/trust.pem").matches("BEGIN CERTIFICATE").count(),
            1
        );
        assert_eq!(text("tls/crl.pem").matches("BEGIN X509 CRL").count(), 2);
        assert_eq!(
            text("tls/a/chain.pem").matches("BEGIN CERTIFICATE").count(),
            2
        );
        assert_eq!(mode("tls/a/key.pem"), 0o640, "as asked: {way}");
        assert_eq!(mode("tls/trust.pem"), 0o600, "as it was: {way}");
        assert_eq!(mode("tls/a/chain.pem"), 0o644, "the usual: {way}");
        let (key, chain) = (text("tls/a/key.pem"), text("tls/a/chain.pem"));
        place.write(&Material::half(two)).await.unwrap();
        assert_eq!(
            text("tls/a/key.pem"),
            key,
            "half a pair leaves the key: {way}"
        );
        assert_ne!(text("tls/a/chain.pem"), chain);
        place
            .write(&Material::leaf(two).cutting(Piece::Chain))
            .await
            .unwrap();
        assert!(!text("tls/a/chain.pem").contains("END"), "{way}");
        place
            .write(&Material::default().trusting(&[]))
            .await
            .unwrap();
        assert_eq!(text("tls/trust.pem"), "", "{way}");
        place
            .write(&Material::default().trusting(&[root, root]))
            .await
            .unwrap();
        assert_eq!(text("tls/other"), "mine");
        let restored = place.restore().await.unwrap();
        assert_eq!(restored.aside, [], "{way}");
        assert!(restored.put_back.contains(&folder.join("tls/trust.pem")));
        let crl = folder.join("tls/crl.pem");
        assert_ne!(restored.removed.contains(&crl), delivers);
    }
}

#[tokio::test]
async fn a_folder_of_kubernetes_turns_at_once_and_keeps_what_is_not_ours() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    kubernetes(folder);
    let mut place = Place::take(&watching(folder, WAYS[2]), true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    let data = || fs::read_link(folder.join("tls/..data")).unwrap();
    assert_eq!(data(), Path::new("..schism-drill-1"));
    assert_eq!(fs::read_to_string(folder.join("tls/more")).unwrap(), "more");
    place
        .write(&Material::default().trusting(&[]))
        .await
        .unwrap();
    assert_eq!(data(), Path::new("..schism-drill-2"));
    assert!(!folder.join("tls/..schism-drill-1").exists());
    assert_eq!(fs::read_to_string(folder.join("tls/more")).unwrap(), "more");
    let crl = fs::read_to_string(folder.join("tls/crl.pem")).unwrap();
    assert!(
        crl.contains("BEGIN X509 CRL"),
        "what is not in a material stays"
    );
    assert!(
        folder.join("tls/..2026_11").is_dir(),
        "nobody else's is taken away"
    );
    drop(place);
    assert_eq!(data(), Path::new("..2026_11"));
}

#[test]
fn what_is_somebody_elses_is_refused_and_nothing_is_left_behind() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    some(folder);
    let said = |files: &str, replace| {
        let taken = Place::take(&watching(folder, files), replace);
        taken.unwrap_err().to_string()
    };
    let text = said(WAYS[0], false);
    assert!(text.starts_with("drill.toml:7: `"), "{text}");
    assert!(
        text.contains("did not write it; with `--replace`"),
        "{text}"
    );
    assert!(
        !folder.join(".schism").exists(),
        "a refusal leaves nothing behind"
    );
    symlink("other", folder.join("tls/crl.pem")).unwrap();
    for way in &WAYS[..3] {
        let text = said(way, true);
        assert!(
            text.contains("crl.pem` is a link to `other`; write that path"),
            "{text}"
        );
    }
    fs::remove_file(folder.join("tls/crl.pem")).unwrap();
    fs::create_dir(folder.join("tls/crl.pem")).unwrap();
    assert!(said(WAYS[0], true).contains("is no ordinary file"));
    let temp = tempfile::tempdir().unwrap();
    kubernetes(temp.path());
    for way in [WAYS[0], WAYS[1], WAYS[3]] {
        let taken = Place::take(&watching(temp.path(), way), true);
        assert!(matches!(taken, Err(PlaceError::Link { .. })), "{way}");
    }
}

#[tokio::test]
async fn one_drill_at_a_time_and_none_over_an_interrupted_one() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let drill = watching(folder, WAYS[0]);
    let home = home(&folder.join("drill.toml"));
    let place = Place::take(&drill, false).unwrap();
    assert!(matches!(
        Place::take(&drill, false),
        Err(PlaceError::Busy(_))
    ));
    assert!(matches!(put_back(&home).await, Err(PlaceError::Busy(_))));
    assert_eq!(fs::metadata(&home).unwrap().mode() & 0o777, 0o700);
    drop(place);
    assert!(die_after(usize::MAX, &drill));
    let before = Place::take(&drill, true);
    assert!(matches!(before, Err(PlaceError::Interrupted)), "{before:?}");
    let restored = put_back(&home).await.unwrap().unwrap();
    assert!(
        restored.removed.contains(&folder.join("tls")),
        "{restored:?}"
    );
    drop(Place::take(&drill, false).unwrap());
    put(&home.join("journal.json"), "{", 0o600);
    assert!(matches!(
        put_back(&home).await,
        Err(PlaceError::Journal { .. })
    ));
}

#[tokio::test]
async fn what_others_wrote_meanwhile_is_kept_aside() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    some(folder);
    let mut place = Place::take(&watching(folder, WAYS[0]), true).unwrap();
    place.write(&everything(&house().2)).await.unwrap();
    put(&folder.join("tls/trust.pem"), "newer", 0o644);
    put(&folder.join("tls/a/new"), "newer", 0o644);
    let restored = place.restore().await.unwrap();
    let (path, kept) = &restored.aside[0];
    assert_eq!(restored.aside.len(), 1);
    assert_eq!(*path, folder.join("tls/trust.pem"));
    assert_eq!(fs::read_to_string(kept).unwrap(), "newer");
    assert_eq!(fs::read_to_string(path).unwrap(), "my trust");
    assert!(folder.join("tls/a/new").exists());
}

#[tokio::test]
async fn key_and_chain_can_be_one_file() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let (_, _, one, two) = house();
    let mut drill = watching(folder, WAYS[0]);
    drill.files.chain.path = drill.files.key.path.clone();
    let text = || fs::read_to_string(folder.join("tls/a/key.pem")).unwrap();
    let mut place = Place::take(&drill, false).unwrap();
    assert!(matches!(
        place.write(&Material::half(two)).await,
        Err(PlaceError::Material(_))
    ));
    place.write(&everything(one)).await.unwrap();
    let first = text();
    assert!(first.ends_with("-----END PRIVATE KEY-----\n"));
    assert_eq!(first.matches("BEGIN CERTIFICATE").count(), 2);
    place.write(&Material::half(two)).await.unwrap();
    let key = |text: &str| text.split_once("-----BEGIN PRIVATE").unwrap().1.to_owned();
    assert_eq!(key(&text()), key(&first));
    assert_ne!(text(), first);
    place
        .write(&Material::leaf(two).cutting(Piece::Chain))
        .await
        .unwrap();
    assert!(!text().contains("END"));
    assert!(!folder.join("tls/a/chain.pem").exists());
}

#[tokio::test]
async fn an_owner_is_given_or_refused_before_anything_happens() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let mut drill = watching(folder, WAYS[0]);
    drill.files.key.owner = Some(crate::drill::file::Owner {
        uid: 12_345,
        gid: 12_346,
    });
    match Place::take(&drill, false) {
        Ok(mut place) => {
            place.write(&everything(&house().2)).await.unwrap();
            let key = fs::metadata(folder.join("tls/a/key.pem")).unwrap();
            assert_eq!(
                (key.uid(), key.gid(), key.mode() & 0o777),
                (12_345, 12_346, 0o640)
            );
        }
        Err(why) => {
            assert!(
                why.to_string().contains("only root gives files to others"),
                "{why}"
            );
            assert!(!folder.join("tls").exists());
        }
    }
}
