//! The world of a scenario: regions, users, and for how long it runs.
//!
//! There are always three regions, because each has one witness and a quorum is two of three.

use std::time::Duration;

use serde::Serialize;
use toml::Spanned;
use toml::de::DeValue;

use super::fields::{Fields, TICK};
use super::flaw::{Flaw, Placed, incoherent};

/// Regions of a world: one witness in each, and a quorum is two of three.
pub const REGIONS: usize = 3;

/// The most users of a world.
pub const MAX_USERS: usize = 12;

/// The longest run, in true time.
pub const MAX_DURATION: Duration = Duration::from_secs(600);

/// How long a revocation list counts, unless a world says otherwise.
const LIST_LIFE: Duration = Duration::from_secs(60);

/// The shortest life of a list that a CA signs.
const MIN_LIST_LIFE: Duration = Duration::from_secs(8);

/// How long a leaf lives, unless a world says otherwise.
const LEAF_LIFE: Duration = Duration::from_secs(100);

/// The shortest life of a leaf that a world may have: below it, first leaves would be due at once.
const MIN_LEAF_LIFE: Duration = Duration::from_secs(30);

/// The most members of a fleet.
const MAX_FLEET: u32 = 500;

/// Services that each region has one of; their nodes are `<service>.<region>`.
pub const REGIONAL_SERVICES: [&str; 2] = ["records", "witness"];

/// What the name of a region's data key begins with.
pub(crate) const AT_REST: &str = "records-at-rest/";
/// The service that each region of a world with edges has one of besides.
pub(crate) const EDGE: &str = "edge";

/// Nodes that a world has one of.
pub const SINGLE_NODES: [&str; 3] = ["ca", "policy", "token"];

/// Someone who asks for records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Unique in the world.
    pub name: String,
    /// The role held at the start.
    pub role: String,
    /// Where the user is.
    pub region: String,
}

/// Who and what there is, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct World {
    /// The regions, in the order of the file.
    pub regions: Vec<String>,
    /// The users, in the order of the file.
    pub users: Vec<User>,
    /// How long the run lasts in true time; at most [`MAX_DURATION`].
    pub duration: Duration,
    /// How long a revocation list counts: the CA signs a new one in good time.
    #[serde(skip_serializing_if = "is_usual")]
    pub list_life: Duration,
    /// How long a leaf lives, from when it is counted valid.
    #[serde(skip_serializing_if = "is_usual_leaf")]
    pub leaf_life: Duration,
    /// Members besides the nodes and users, who ask for nothing but their leaves.
    #[serde(skip_serializing_if = "is_none")]
    pub fleet: u32,
    /// Users who deliver notices by webhook. Where there are any, the world has secrets: theirs
    /// with the records services, and a data key a region, under which its records lie.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<String>,
    /// Whether each region has an edge, which ends connections before its records.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub edge: bool,
}

fn is_none(fleet: &u32) -> bool {
    *fleet == 0
}

fn is_usual(list_life: &Duration) -> bool {
    *list_life == LIST_LIFE
}

fn is_usual_leaf(leaf_life: &Duration) -> bool {
    *leaf_life == LEAF_LIFE
}

/// Who changes the policy: a host of its own.
pub(super) const ADMINISTRATOR: &str = "admin";

/// Where a fleet lives: a host of its own.
pub(crate) const FLEET: &str = "fleet";

/// How long lists and leaves count.
fn lives(fields: &Fields<'_, '_>) -> Placed<(Duration, Duration)> {
    let list_life = fields.duration("list_life")?.unwrap_or(LIST_LIFE);
    if !(MIN_LIST_LIFE..=MAX_DURATION).contains(&list_life) {
        let word = fields.needed("list_life")?;
        return Err(word.out_of_range("list_life", "a list counts from 8 s to 10 min"));
    }
    let leaf_life = fields.duration("leaf_life")?.unwrap_or(LEAF_LIFE);
    if !(MIN_LEAF_LIFE..=MAX_DURATION).contains(&leaf_life) {
        let word = fields.needed("leaf_life")?;
        return Err(word.out_of_range("leaf_life", "a leaf lives from 30 s to 10 min"));
    }
    Ok((list_life, leaf_life))
}

impl World {
    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The names of the secrets that there are: none without senders.
    pub fn secrets(&self) -> Vec<String> {
        if self.senders.is_empty() {
            return Vec::new();
        }
        let of = |region: &String| format!("{AT_REST}{region}");
        let data_keys = self.regions.iter().map(of);
        data_keys.chain(["webhook".to_owned()]).collect()
    }

    /// Every node that a step can name, services of regions first.
    pub fn nodes(&self) -> Vec<String> {
        let edge = self.edge.then_some(&EDGE);
        let regional = REGIONAL_SERVICES.iter().chain(edge).flat_map(|service| {
            self.regions
                .iter()
                .map(move |region| format!("{service}.{region}"))
        });
        regional
            .chain(SINGLE_NODES.iter().map(|node| (*node).into()))
            .collect()
    }

    pub(super) fn read(value: &Spanned<DeValue<'_>>) -> Placed<Self> {
        let fields = Fields::of(
            "[world]",
            value,
            &[
                "regions",
                "users",
                "duration",
                "list_life",
                "leaf_life",
                "fleet",
                "senders",
                "edge",
            ],
        )?;
        let mut regions: Vec<String> = Vec::new();
        for word in fields.words("regions")? {
            let region = word.name("regions")?;
            if SINGLE_NODES.contains(&word.text) {
                return incoherent(&word.span, format!("`{region}` is the name of a node"));
            }
            if regions.contains(&region) {
                return incoherent(&word.span, format!("region `{region}` is named twice"));
            }
            regions.push(region);
        }
        if regions.len() != REGIONS {
            let why = format!(
                "a world has {REGIONS} regions, one witness in each; this one has {}",
                regions.len()
            );
            return incoherent(fields.span(), why);
        }
        let duration = fields.duration("duration")?;
        let duration = fields.need("duration", duration)?;
        if duration < TICK || duration > MAX_DURATION {
            let word = fields.needed("duration")?;
            return Err(word.out_of_range("duration", "a run lasts from 5 ms to 10 min"));
        }
        let (list_life, leaf_life) = lives(&fields)?;
        let fleet = match fields.get("fleet") {
            Some(_) => fields.number("fleet", 1, MAX_FLEET)?,
            None => 0,
        };
        let mut world = Self {
            regions,
            users: Vec::new(),
            duration,
            list_life,
            leaf_life,
            fleet,
            senders: Vec::new(),
            edge: fields.flag("edge")?,
        };
        for value in fields.list("users", MAX_USERS)? {
            let user = world.read_user(value)?;
            world.users.push(user);
        }
        if world.users.is_empty() {
            let (place, field) = ("[world]".into(), "users");
            return Err((fields.span().clone(), Flaw::Missing { place, field }));
        }
        world.senders = world.read_senders(&fields)?;
        Ok(world)
    }

    fn read_senders(&self, fields: &Fields<'_, '_>) -> Placed<Vec<String>> {
        let users = || self.users.iter().map(|user| user.name.as_str());
        let senders = fields.words("senders")?.into_iter();
        senders.map(|word| word.known("user", users())).collect()
    }

    fn read_user(&self, value: &Spanned<DeValue<'_>>) -> Placed<User> {
        let fields = Fields::of("a user", value, &["name", "role", "region"])?;
        let name = fields.needed("name")?;
        let region = fields.needed("region")?;
        let user = User {
            name: name.name("name")?,
            role: fields.needed("role")?.name("role")?,
            region: region.known("region", self.regions.iter().map(String::as_str))?,
        };
        let hosts = [ADMINISTRATOR, FLEET];
        let taken = SINGLE_NODES.contains(&user.name.as_str()) || hosts.contains(&&*user.name);
        if taken || self.regions.contains(&user.name) {
            let why = format!("`{}` is the name of a node or a region", user.name);
            return incoherent(&name.span, why);
        }
        if self.user(&user.name).is_some() {
            return incoherent(&name.span, format!("user `{}` is named twice", user.name));
        }
        Ok(user)
    }
}
