//! The seeds of the fuzzers, made anew: what is signed in them is signed another way each time.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ca::authority::Root;
use ca::bundle_json::Document;
use ca::clock::Time;
use ca::identity::TrustDomain;
use ca::keys::{Keys as _, RingKeys};
use ca::profile::Validity;
use ca::token_keys::TokenKey;
use prost::Message as _;
use proto::ca::v1 as wire;
use proto::spiffe::workload as wire_workload;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};
use services::posture::Posture;
use tests::properties::{crl, csr, folder, note, state, token, workload};

/// Every seed.
pub(crate) fn all() -> Vec<Seed> {
    let all = [
        bundles(),
        lists(),
        logs(),
        notes(),
        proofs(),
        questions(),
        registries(),
        states(),
        texts(),
        signed(),
    ];
    all.concat()
}

/// A request that asks for a name, or to be a CA; the first asks for nothing.
fn requests() -> [Vec<u8>; 3] {
    let key = KeyPair::generate().unwrap();
    let asking = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::default();
        change(&mut params);
        params.serialize_request(&key).unwrap().der().to_vec()
    };
    let name = csr::ALICE.to_string();
    [
        ca::csr::request(&RingKeys.p256().unwrap()).unwrap(),
        asking(&|params| {
            let uri = name.as_str().try_into().unwrap();
            params.subject_alt_names = vec![SanType::URI(uri)];
        }),
        asking(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
    ]
}

/// A target, the seed's name, and its content.
pub(crate) type Seed = (&'static str, String, Vec<u8>);

fn seed(target: &'static str, name: &str, content: impl AsRef<[u8]>) -> Seed {
    (target, name.to_owned(), content.as_ref().to_vec())
}

/// The same with one bit of one byte changed.
fn changed(content: &[u8], at: usize) -> Vec<u8> {
    let mut content = content.to_vec();
    content[at] ^= 1;
    content
}

/// Logs as a disk may give them back; the first byte says which of the files it is.
fn logs() -> Vec<Seed> {
    let whole = &*folder::WHOLE;
    let torn = [&whole.entries[..], b"\0\x09{\"no"].concat();
    let short = &whole.entries[..whole.entries.len() - 1];
    let tampered = changed(&whole.entries, 200);
    let forged = changed(&whole.checkpoint, whole.checkpoint.len() - 9);
    let files: [(&str, u8, &[u8]); 8] = [
        ("whole", 0, &whole.entries),
        ("torn", 0, &torn),
        ("short", 0, short),
        ("tampered", 0, &tampered),
        ("checkpoint", 1, &whole.checkpoint),
        ("forged", 1, &forged),
        ("first", 1, &whole.first),
        ("unsigned", 2, &whole.entries),
    ];
    let of = |target| {
        let files = files.iter();
        files.map(move |(name, which, file)| seed(target, name, [&[*which], *file].concat()))
    };
    of("audit").chain(of("log")).collect()
}

fn notes() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for signed in &*note::SIGNED {
        let size = format!("size-{}", signed.checkpoint.size);
        let forged = changed(&signed.to_bytes(), "log.example\n".len());
        for target in ["checkpoint", "note"] {
            seeds.push(seed(target, &size, signed.to_bytes()));
            seeds.push(seed(target, &format!("{size}-forged"), &forged));
        }
        let more = format!("{}more\n", signed.checkpoint.to_text());
        seeds.push(seed("checkpoint", &format!("{size}-text"), more));
    }
    let key = note::key("log.example", 1);
    seeds.push(seed("note", "vkey", key.verifying().vkey()));
    seeds.push(seed("note", "line", key.sign_note("text\n").to_string()));
    seeds
}

fn proofs() -> Vec<Seed> {
    let seeds: [(&str, &[u8]); 6] = [
        ("inclusion", &[0, 39, 3, 3]),
        ("inclusion-changed", &[0, 39, 3, 3, 1, 0, 1]),
        ("consistency", &[1, 7, 8, 0]),
        ("consistency-forked", &[1, 7, 8, 1]),
        ("included-in-nothing", &[2, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("consistent-with-nothing", &[3, 0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    seeds.map(|(name, input)| seed("proof", name, input)).into()
}

/// Texts that are not in the catalogue.
fn texts() -> Vec<Seed> {
    let policy = "permit (principal in Role::\"nurse\", action == Action::\"read\", resource);\n";
    let forbid = format!("{policy}forbid (principal, action, resource) when {{ 1 + 1 == 3 }};\n");
    let put = serde_json::json!({ "kind": "put-policy", "policy": policy });
    let act = |kind: &str| format!(r#"{{"kind":"{kind}","principal":"alice","role":"doctor"}}"#);
    vec![
        seed("entry", "grant", act("grant")),
        seed("entry", "revoke", act("revoke")),
        seed("entry", "put-policy", put.to_string()),
        seed(
            "entry",
            "log-out",
            r#"{"kind":"log-out","principal":"alice","before":1767225612}"#,
        ),
        seed("policy", "permit", policy),
        seed("policy", "forbid", forbid),
        seed("posture", "hardened", Posture::hardened().canonical()),
        seed(
            "posture",
            "sections",
            "[policy]\nfreshness = { read = \"10s\", share = \"latest\" }\nquorum = 2\n",
        ),
    ]
}

/// What is signed with a key whose signatures differ each time.
fn signed() -> Vec<Seed> {
    let good = token::issued().swap_remove(0);
    let (start, end) = (good.find('.').unwrap() + 1, good.rfind('.').unwrap());
    let claims = URL_SAFE_NO_PAD.decode(&good[start..end]).unwrap();
    let claims = String::from_utf8(claims).unwrap();
    assert!(claims.contains("user/alice"));
    let claims = claims.replace("user/alice", "user/admin");
    let renamed = good[..start].to_owned() + &URL_SAFE_NO_PAD.encode(claims);
    let [plain, named, for_ca] = requests();
    vec![
        seed("csr", "plain", &plain),
        seed("csr", "forged", changed(&plain, plain.len() - 1)),
        seed("csr", "named", named),
        seed("csr", "asks-for-ca", for_ca),
        seed("jwks", "ours", token::key_set()),
        seed("token", "good", format!("{good}\n")),
        seed("token", "forged", renamed + &good[end..]),
        seed("token", "three", token::issued().join("\r\n")),
    ]
}

/// Lists that are good, and one for each way in which one must be refused.
fn lists() -> Vec<Seed> {
    let [root, empty, revoking, last] = crl::signed();
    let patched = |old: &[u8], new: &[u8]| {
        let at = revoking.windows(old.len()).position(|it| it == old);
        let at = at.unwrap();
        let mut list = revoking.clone();
        list[at..at + new.len()].copy_from_slice(new);
        list
    };
    let (serial, extension) = (b"\x02\x01\x02\x17", b"\x55\x1d");
    let number = [&extension[..], b"\x14"].concat();
    let key_id = [&extension[..], b"\x23"].concat();
    vec![
        seed("crl", "root", &root),
        seed("crl", "empty", &empty),
        seed("crl", "revoking", &revoking),
        seed("crl", "last", &last),
        seed("crl", "longer", [&revoking[..], b"\0"].concat()),
        seed("crl", "forged", changed(&revoking, revoking.len() - 1)),
        seed("crl", "tampered", patched(serial, b"\x02\x01\x03\x17")),
        seed("crl", "twice", patched(serial, b"\x02\x01\x01\x17")),
        seed("crl", "unnumbered", patched(&number, b"\x55\x1d\x12")),
        seed("crl", "delta", patched(&key_id, b"\x55\x1d\x1b")),
    ]
}

/// A bundle as it is served, and one for each way in which one must be refused.
fn bundles() -> Vec<Seed> {
    let domain = TrustDomain::new("clinic.example").unwrap();
    let validity = Validity::lasting(Time::from_secs(1_767_225_600), Duration::from_secs(3600));
    let root = |number| Root::create(&RingKeys, &domain, number, validity).unwrap();
    let key = TokenKey::new(RingKeys.p256().unwrap()).unwrap();
    let served = Document {
        sequence: 7,
        refresh_hint: Some(Duration::from_secs(300)),
        roots: vec![root(1).certificate().clone(), root(2).certificate().clone()],
        token_keys: vec![key.public().clone()],
    };
    let whole = served.to_json();
    let nothing = Document {
        roots: Vec::new(),
        token_keys: Vec::new(),
        ..served
    };
    let unknown = r#"{"keys":[{"kty":"OKP","use":"x509-svid"},{"kty":"EC"}],"spiffe_sequence":1}"#;
    vec![
        seed("bundle", "whole", &whole),
        seed("bundle", "nothing", nothing.to_json()),
        seed("bundle", "unknown", unknown),
        seed("bundle", "unordered", whole.replace("spiffe_sequence", "x")),
        seed(
            "bundle",
            "other-key",
            whole.replacen("\"x\":\"", "\"x\":\"A", 1),
        ),
        seed("bundle", "no-certificate", whole.replace("x5c", "x6c")),
    ]
}

/// Registries that are good, and one for each way in which one must be refused.
fn registries() -> Vec<Seed> {
    let of = |entries: &[&str]| {
        let entries = entries.iter().map(|it| format!("[[workload]]\n{it}\n"));
        format!("format = 1\n{}", entries.collect::<String>())
    };
    let one = "spiffe_id = 'spiffe://clinic.example/records'\nuid = 7";
    let two = "spiffe_id = 'spiffe://clinic.example/billing'\nuid = 7\ngid = 8";
    let [one_hint, two_hint] = [one, two].map(|it| format!("{it}\nhint = 'inside'"));
    let path = format!("{one}\npath = '/usr/bin/records'");
    let relative = format!("{one}\npath = \"bin\\u0007\"");
    vec![
        seed("registry", "nobody", of(&[])),
        seed("registry", "two", of(&[one, two])),
        seed("registry", "path", of(&[&path])),
        seed("registry", "relative", of(&[&relative])),
        seed("registry", "hint-twice", of(&[&one_hint, &two_hint])),
        seed(
            "registry",
            "foreign",
            of(&[&one.replace("clinic", "other")]),
        ),
        seed("registry", "the-ca", of(&[&one.replace("records", "ca")])),
        seed("registry", "later-format", "format = 2\n"),
        seed(
            "registry",
            "unknown-field",
            of(&[&one.replace("uid", "u\u{1b}d")]),
        ),
        seed("registry", "blank", "\r\n\t"),
    ]
}

/// States that members take, and one for each way in which one must be refused.
fn states() -> Vec<Seed> {
    let changed_by = |change: &dyn Fn(&mut wire::State)| {
        let mut told = state::told(state::GENERATION + 1);
        change(&mut told);
        told.encode_to_vec()
    };
    let [_, older, _, last] = crl::signed();
    vec![
        seed("state", "next", changed_by(&|_| {})),
        seed(
            "state",
            "forked",
            state::told(state::GENERATION).encode_to_vec(),
        ),
        seed("state", "rolled-back", state::told(0).encode_to_vec()),
        seed("state", "no-bundle", changed_by(&|it| it.bundle = None)),
        seed(
            "state",
            "distrusts",
            changed_by(&|it| it.bundle.as_mut().unwrap().roots.clear()),
        ),
        seed(
            "state",
            "foreign",
            changed_by(&|it| it.bundle.as_mut().unwrap().trust_domain = "x".to_owned()),
        ),
        seed("state", "withdrawn", changed_by(&|it| it.federated.clear())),
        seed(
            "state",
            "federates-us",
            changed_by(&|it| it.federated.extend(it.bundle.clone())),
        ),
        seed(
            "state",
            "federated-falls",
            changed_by(&|it| it.federated[0].generation = 1),
        ),
        seed(
            "state",
            "last-list",
            changed_by(&|it| it.lists[1].crl.clone_from(&last)),
        ),
        seed(
            "state",
            "older-list",
            changed_by(&|it| it.lists[1].crl.clone_from(&older)),
        ),
        seed(
            "state",
            "unsigned-list",
            changed_by(&|it| it.lists[1].signers.clear()),
        ),
        seed(
            "state",
            "short-hash",
            changed_by(&|it| it.tainted = vec![vec![7; 31]]),
        ),
    ]
}

/// Questions to the Workload API; the first byte says which.
fn questions() -> Vec<Seed> {
    let fetch = |audience: &[&str], spiffe_id: &str| {
        let asked = wire_workload::JwtsvidRequest {
            audience: audience.iter().map(|&it| it.to_owned()).collect(),
            spiffe_id: spiffe_id.to_owned(),
        };
        [&[0], &*asked.encode_to_vec()].concat()
    };
    let validate = |svid: &str| {
        let asked = wire_workload::ValidateJwtsvidRequest {
            audience: "records".to_owned(),
            svid: svid.to_owned(),
        };
        [&[1], &*asked.encode_to_vec()].concat()
    };
    let good = workload::issued("records");
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    vec![
        seed("workload", "all", fetch(&["records"], "")),
        seed(
            "workload",
            "one",
            fetch(&["records", "x"], "spiffe://clinic.example/b"),
        ),
        seed(
            "workload",
            "anothers",
            fetch(&["records"], "spiffe://clinic.example/c"),
        ),
        seed("workload", "no-audience", fetch(&[], "")),
        seed("workload", "no-name", fetch(&["records"], "clinic.example")),
        seed("workload", "good", validate(&good)),
        seed("workload", "for-others", validate(&workload::issued("x"))),
        seed("workload", "unsigned", validate(&format!("{unsigned}."))),
    ]
}
