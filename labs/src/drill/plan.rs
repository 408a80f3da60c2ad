//! What a run would do, before it does anything: files, commands, probes, cases and minutes.
//!
//! It is made from the drill.toml and the options by the same choice that a run makes, and looks
//! at nothing but whether the target's files are there. It touches nothing and asks nobody.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::answer::Basis;
use super::case::Need;
use super::clock;
use super::file::{CallWish, DrillFile, Form, Jwks, Piece, Reload, Swap};
use super::run::{self, Chosen, Options, RunError};

/// How often a fail is seen before it counts.
const FAILS: u64 = 3;

/// A whole plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Where the target is.
    pub target: String,
    /// The files that are written, and put back afterwards.
    pub files: Vec<PlannedFile>,
    /// The commands that are run.
    pub commands: Vec<PlannedCommand>,
    /// Where the drill itself listens.
    pub listens: Vec<String>,
    /// What is asked of the target, over the network.
    pub probes: Vec<String>,
    /// The cases, each with those that share its change.
    pub scenes: Vec<PlannedScene>,
    /// Cases that there is no time for.
    pub left_out: Vec<&'static str>,
    /// What would keep a run from beginning.
    pub obstacles: Vec<String>,
    /// About how long a run takes if nothing is wrong.
    pub about_s: u64,
    /// The same if everything is: each fail is seen three times.
    pub at_worst_s: u64,
}

/// A file of the target's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedFile {
    /// What it is for the target.
    pub piece: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// How it is written down.
    pub form: &'static str,
    /// The mode that a new one gets, in octal.
    pub mode: String,
    /// The user's and the group's number, if the drill.toml gives them.
    pub owner: Option<(u32, u32)>,
    /// Whether something is there now, which is copied first and put back.
    pub is_there: bool,
}

/// A command and when it is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedCommand {
    /// When.
    pub when: &'static str,
    /// The program and its arguments.
    pub argv: Vec<String>,
}

/// One change, and the cases that look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedScene {
    /// The cases.
    pub cases: Vec<PlannedCase>,
    /// About how long a try takes.
    pub about_s: u64,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedCase {
    /// Its word.
    pub word: &'static str,
    /// What it does and looks at.
    pub does: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What it rests on.
    pub basis: Basis,
    /// What the target lacks for it, if anything: then it is not applicable.
    pub lacks: Option<&'static str>,
}

impl Plan {
    /// Plans.
    ///
    /// # Errors
    /// When the options name no case.
    pub fn of(drill: &DrillFile, options: &Options) -> Result<Self, RunError> {
        let choice = run::choose(drill, options)?;
        let scenes: Vec<PlannedScene> = choice.chosen.iter().map(|it| scene(drill, it)).collect();
        let tries: u64 = scenes.iter().map(|it| it.about_s).sum();
        let about_s = choice.about.as_secs().max(1);
        let files = files(drill);
        Ok(Self {
            target: drill.target.address.to_string(),
            obstacles: obstacles(drill, options, &files),
            files,
            commands: commands(drill),
            listens: listens(drill, options),
            probes: probes(drill, options),
            scenes,
            left_out: choice.left_out.iter().map(|case| case.word).collect(),
            about_s,
            at_worst_s: about_s + (FAILS - 1) * tries,
        })
    }

    /// How many cases would be judged.
    pub fn judged(&self) -> usize {
        let cases = self.scenes.iter().flat_map(|scene| &scene.cases);
        cases.filter(|case| case.lacks.is_none()).count()
    }
}

fn scene(drill: &DrillFile, chosen: &Chosen) -> PlannedScene {
    let lacks = |needs: &[Need]| needs.iter().find(|need| !need.is_met(drill)).copied();
    let cases = chosen.cases.iter().map(|case| PlannedCase {
        word: case.word,
        does: case.does,
        why: case.why,
        basis: case.rests.basis(drill),
        lacks: lacks(case.needs).map(Need::missing),
    });
    PlannedScene {
        cases: cases.collect(),
        about_s: clock::millis(chosen.about).div_ceil(1000),
    }
}

fn files(drill: &DrillFile) -> Vec<PlannedFile> {
    let is_there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
    let mut files = Vec::new();
    for piece in Piece::ALL {
        let Some(file) = drill.files.of(piece) else {
            continue;
        };
        if piece == Piece::Chain && drill.files.is_combined() {
            continue;
        }
        let combined = piece == Piece::Key && drill.files.is_combined();
        let mode = file.mode.unwrap_or_else(|| piece.usual_mode());
        files.push(PlannedFile {
            piece: if combined {
                "chain and key"
            } else {
                piece.word()
            },
            path: file.path.clone(),
            form: form(file.form),
            mode: format!("{mode:04o}"),
            owner: file.owner.map(|owner| (owner.uid, owner.gid)),
            is_there: is_there(&file.path),
        });
    }
    if let Some(Jwks::File(path)) = drill.token.as_ref().map(|token| &token.jwks) {
        files.push(PlannedFile {
            piece: "jwks",
            path: path.clone(),
            form: "JSON",
            mode: "0644".to_owned(),
            owner: None,
            is_there: is_there(path),
        });
    }
    files
}

const fn form(form: Form) -> &'static str {
    match form {
        Form::Pkcs8 => "PKCS#8 in PEM",
        Form::Sec1 => "SEC 1 in PEM",
        Form::Pem => "PEM",
        Form::Der => "DER",
    }
}

fn commands(drill: &DrillFile) -> Vec<PlannedCommand> {
    let target = &drill.target;
    let deliver = match &drill.files.swap {
        Swap::Deliver(argv) => Some(argv),
        Swap::Rename | Swap::Symlink | Swap::InPlace => None,
    };
    let reload = match &target.reload {
        Reload::Command(argv) => Some(argv),
        Reload::Watches => None,
    };
    let stop = target.stop.as_ref().filter(|_| target.start.is_some());
    let all = [
        (
            "at the beginning, and in cases about its start",
            target.start.as_ref(),
        ),
        (
            "after each change of the files, to take them there",
            deliver,
        ),
        ("after each change of the files, to tell the target", reload),
        ("at the end", stop),
    ];
    let run = all.into_iter().filter_map(|(when, argv)| {
        let argv = argv?.clone();
        Some(PlannedCommand { when, argv })
    });
    run.collect()
}

fn listens(drill: &DrillFile, options: &Options) -> Vec<String> {
    let mut listens = Vec::new();
    if let Some(Jwks::Listen(at)) = drill.token.as_ref().map(|token| &token.jwks) {
        listens.push(format!("{at}: the key list, over HTTP"));
    }
    let upstream = drill.upstream.as_ref().filter(|_| options.as_client);
    listens.extend(upstream.map(|it| format!("{}: what the target calls", it.listen)));
    listens
}

fn probes(drill: &DrillFile, options: &Options) -> Vec<String> {
    if options.as_client {
        return vec!["none: the target calls the drill, which looks at what comes".to_owned()];
    }
    let (address, calls) = (&drill.target.address, &drill.calls);
    let host = drill.target.hosts.first().map_or("", String::as_str);
    let mut probes = vec![
        format!("TLS handshakes with {address}, asking for `{host}`, whole and resumed"),
        format!("{}: what a good caller may", call(&calls.allowed)),
    ];
    if calls.refused_without_token {
        probes.push("the same without a token, which must be refused".to_owned());
    }
    let stream = calls.stream.as_ref();
    probes.extend(stream.map(|it| format!("{}: a stream, kept open", call(it))));
    probes
}

fn call(wish: &CallWish) -> String {
    match wish {
        CallWish::Grpc {
            service, method, ..
        } => format!("gRPC {service}/{method}"),
        CallWish::Http { method, path, .. } => format!("{method} {path}"),
    }
}

fn obstacles(drill: &DrillFile, options: &Options, files: &[PlannedFile]) -> Vec<String> {
    let mut obstacles = Vec::new();
    let there = files.iter().filter(|file| file.is_there).count();
    if there > 0 && !options.replace {
        obstacles.push(
            "files that the drill did not write are there: `--replace` keeps them aside and puts \
             them back"
                .to_owned(),
        );
    }
    if !drill.target.address.is_loopback() && !options.disrupt {
        let address = &drill.target.address;
        obstacles.push(format!(
            "{address} is not this machine: `--disrupt` says that it may be disturbed"
        ));
    }
    if matches!(drill.files.swap, Swap::Deliver(_)) && !options.disrupt {
        obstacles.push(
            "`deliver` may take files anywhere: `--disrupt` says that this is meant".to_owned(),
        );
    }
    obstacles
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = r#"format = 1
[target]
address = "orders.example:8443"
start = ["./orders"]
stop = ["./stop"]
reload = ["./reload.sh"]
settle = "10s"
[files]
key = { path = "tls/all.pem", mode = "0640", owner = "101:102" }
chain = "tls/all.pem"
trust = "tls/ca.pem"
[caller]
dns = "cart.shop"
[token]
jwks = { listen = "127.0.0.1:9080" }
issuer = "https://issuer.example"
[calls]
allowed = { http = "GET /orders" }
refused = { token = "none" }
"#;

    fn plan(options: &Options) -> Plan {
        let drill = DrillFile::parse("drill.toml", TEXT, Path::new("/nowhere")).unwrap();
        Plan::of(&drill, options).unwrap()
    }

    #[test]
    fn it_names_every_file_command_and_door_and_what_stands_in_the_way() {
        let told = plan(&Options::default());
        let files: Vec<_> = told.files.iter().map(|it| (it.piece, &*it.mode)).collect();
        assert_eq!(files, [("chain and key", "0640"), ("trust", "0644")]);
        let argv: Vec<_> = told.commands.iter().map(|it| it.argv[0].as_str()).collect();
        assert_eq!(argv, ["./orders", "./reload.sh", "./stop"]);
        assert_eq!(told.listens, ["127.0.0.1:9080: the key list, over HTTP"]);
        assert_eq!(told.probes.len(), 3);
        assert_eq!(told.obstacles.len(), 1, "{:?}", told.obstacles);
        let allowed = plan(&Options {
            disrupt: true,
            ..Options::default()
        });
        assert!(allowed.obstacles.is_empty());
    }

    #[test]
    fn what_the_target_lacks_is_said_beside_the_case_and_takes_no_time() {
        let told = plan(&Options::default());
        let cases: Vec<_> = told.scenes.iter().flat_map(|it| &it.cases).collect();
        let of = |word: &str| cases.iter().find(|case| case.word == word);
        if let Some(case) = of("revoked-leaf-new") {
            assert!(case.lacks.unwrap().contains("[files] crl"));
        }
        assert!(told.at_worst_s >= told.about_s && told.about_s > 0);
        assert!(told.judged() <= cases.len());
    }

    #[test]
    fn a_file_that_is_there_is_told_and_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("tls")).unwrap();
        fs::write(temp.path().join("tls/ca.pem"), "mine").unwrap();
        let drill = DrillFile::parse("drill.toml", TEXT, temp.path()).unwrap();
        let plan = Plan::of(&drill, &Options::default()).unwrap();
        let there: Vec<bool> = plan.files.iter().map(|it| it.is_there).collect();
        assert_eq!(there, [false, true]);
        assert_eq!(plan.obstacles.len(), 2);
        let kept = fs::read_to_string(temp.path().join("tls/ca.pem")).unwrap();
        assert_eq!(kept, "mine");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }
}
