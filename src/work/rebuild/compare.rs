//! The comparison of a router with the books. Reads only.
//!
//! The router is read before the books: what another process decides in between shows as a drift that is none, which a
//! repair leaves as it is; the other way round it would be missed.

use crate::{
    account::{
        Account, State,
        fair_use::{self, FairUse},
    },
    app::App,
    catalogue::plans,
    plan::Plan,
    problem::Problem,
    router::Server,
    routeros::{self, Difference, HeldSecret, Mark, QueueRow, Wanted},
};
use secrecy::SecretString;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio::time::Instant;

/// What mends a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mend {
    /// Secret and queue are brought in line; `kick`: sessions are ended, because they should not be.
    Ensure {
        /// Whether sessions are ended.
        kick: bool,
    },
    /// What is left of an ended service is removed.
    Remove,
    /// A person must act: something that is not ours is in the way, or no key opens the password.
    ByHand,
}

/// What is said of an account whose password cannot be opened.
const SEALED: &str = "its password opens with no key that is configured";

/// What mends a stored secret that no key opens, a sentence without a full stop.
pub const UNSEAL: &str = "put the key that sealed it into seal.older_keys and restart turnpike serve; without that key run \
                          Create for the service in WHMCS, which brings its password and its product's pre-shared key anew \
                          (Change Password brings the password alone, where the router has the secret)";

/// An account that the router does not hold as it should.
#[derive(Clone, Debug, Serialize)]
pub struct Drift {
    /// Whose.
    pub service_id: u64,
    /// Its user name.
    pub username: String,
    /// What differs, as sentences without a full stop.
    pub differences: Vec<String>,
    /// Whether no key that is configured opens its password; that is the first of the differences then.
    pub sealed: bool,
    /// What mends it.
    pub mend: Mend,
}

/// Why an object with a mark of ours belongs to no account here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The books do not know the service.
    Unknown,
    /// The service has ended, under another name or prefix.
    Ended,
    /// The service lives on another server.
    Elsewhere,
    /// The service lives here under another name.
    OtherName,
}

impl Why {
    /// What the books say of the service, after its number and a comma.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "which the books do not know",
            Self::Ended => "which has ended",
            Self::Elsewhere => "which lives on another server",
            Self::OtherName => "which lives here under another name",
        }
    }

    /// What to do about the object, a sentence without a full stop. A customer of another module's who was not imported is
    /// unknown too, and pays.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Unknown => {
                "`turnpike import` takes it over if another module made it; else look at it, and decide by hand"
            }
            Self::Ended => "look at it and remove it by hand",
            Self::Elsewhere => {
                "look at it, and remove it by hand once the customer dials in at the server of the books"
            }
            Self::OtherName => {
                "look at it, and remove it by hand once the customer dials in under the name of the books"
            }
        }
    }
}

/// An object with a mark of ours that belongs to no account here. Reported, never touched.
#[derive(Clone, Debug, Serialize)]
pub struct Stray {
    /// "secret" or "queue".
    pub object: &'static str,
    /// Its name.
    pub name: String,
    /// Its comment, whole: others on the router may have the name.
    pub comment: String,
    /// The service that its comment names.
    pub service_id: u64,
    /// Why it is nobody's.
    pub why: Why,
}

/// A router compared with the books.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Accounts that should be there.
    pub accounts: usize,
    /// Secrets and queues without a mark of ours: untouched.
    pub foreign: usize,
    /// What is not as it should be.
    pub drifts: Vec<Drift>,
    /// What carries our mark and is nobody's.
    pub strays: Vec<Stray>,
    /// Firewall lists and mark rules that are not as the plans want them, as sentences without a full stop.
    pub lists: Vec<String>,
}

impl Comparison {
    /// Whether nothing is to be done.
    pub fn is_right(&self) -> bool {
        self.drifts.is_empty() && self.lists.is_empty()
    }
}

struct Held {
    secrets: Vec<HeldSecret>,
    queues: Vec<QueueRow>,
}

pub(in crate::work) async fn run(app: &App, server: &Server, until: Instant) -> Result<Comparison, Problem> {
    let router = app.router(server)?.within(until);
    let accounts = Account::of_server(&mut app.db.read().await?, server.told.id).await?;
    let mut passwords: HashMap<String, SecretString> = HashMap::with_capacity(accounts.len());
    for account in accounts {
        // One that no key opens keeps nobody else from being compared.
        if let Ok(password) = account.password(&app.seal) {
            passwords.insert(account.username, password);
        }
    }
    let held = match routeros::holding(&router, passwords.clone()).await {
        // A connection that was found dead is made anew, once: nothing was changed.
        Err(error) if error.is_away() => routeros::holding(&router, passwords).await?,
        outcome => outcome?,
    };
    let held = Held { secrets: held.secrets, queues: held.queues };
    let mut conn = app.db.read().await?;
    let accounts = Account::of_server(&mut conn, server.told.id).await?;
    let fair = fair_use::of_server(&mut conn, server.told.id).await?;
    let plans: HashMap<u64, Plan> = plans::all(&mut conn).await?.into_iter().map(|it| (it.id, it.plan)).collect();
    let mut found = Comparison { accounts: accounts.len(), ..Comparison::default() };
    let mut known = HashSet::new();
    drifts(app, (&accounts, &plans, &fair), &held, &mut known, &mut found);
    strays(&mut conn, server, &held, &known, &mut found).await?;
    Ok(found)
}

/// Living accounts, each with the objects of its name.
fn drifts<'a>(
    app: &App,
    (accounts, plans, fair): (&[Account], &HashMap<u64, Plan>, &HashMap<u64, FairUse>),
    held: &'a Held,
    known: &mut HashSet<(&'static str, &'a str)>,
    found: &mut Comparison,
) {
    let (mut secrets, mut queues) = (HashMap::<&str, Vec<&HeldSecret>>::new(), HashMap::<&str, Vec<&QueueRow>>::new());
    for held in &held.secrets {
        secrets.entry(&held.row.name).or_default().push(held);
    }
    for row in &held.queues {
        queues.entry(&row.name).or_default().push(row);
    }
    for account in accounts {
        let plan = account.settings.plan.and_then(|id| plans.get(&id));
        let should = crate::work::fair_use::queues(app, account, plan, fair.get(&account.service_id));
        let password = account.password(&app.seal);
        let sealed = password.is_err();
        // Passwords were compared as the router's came in: here it may be empty.
        let wanted = crate::work::wanted_with(password.unwrap_or_default(), account, should);
        let name = wanted.username.as_str();
        let secrets = secrets.get(name).map(Vec::as_slice).unwrap_or_default();
        let cdn = queues.get(routeros::cdn_queue_name(name).as_str()).into_iter().flatten();
        let queues: Vec<&QueueRow> = queues.get(name).into_iter().flatten().chain(cdn).copied().collect();
        known.extend(
            secrets.iter().filter(|it| wanted.mark.owns(&it.row.comment)).map(|it| ("secret", it.row.id.as_str())),
        );
        known.extend(queues.iter().filter(|it| wanted.mark.owns(&it.comment)).map(|it| ("queue", it.id.as_str())));
        let differences = routeros::differences(&wanted, secrets, &queues);
        if sealed || !differences.is_empty() {
            found.drifts.push(drift(account.service_id, &wanted, sealed, &differences));
        }
    }
}

fn drift(service_id: u64, wanted: &Wanted, sealed: bool, differences: &[Difference]) -> Drift {
    let in_the_way = differences.iter().any(|it| matches!(it, Difference::Foreign(_)));
    let open = |it: &Difference| matches!(it, Difference::Property { object: "secret", property: "disabled", .. });
    let kick = wanted.disabled && differences.iter().any(open);
    let said = differences.iter().map(ToString::to_string);
    Drift {
        service_id,
        username: wanted.username.clone(),
        differences: sealed.then(|| SEALED.to_owned()).into_iter().chain(said).collect(),
        sealed,
        mend: if in_the_way || sealed { Mend::ByHand } else { Mend::Ensure { kick } },
    }
}

/// Whether an object of that name may be the account's.
fn is_named(account: &Account, name: &str) -> bool {
    name == account.username || name == routeros::cdn_queue_name(&account.username)
}

/// Objects that no living account claimed: remains of ended services, strays, foreign ones.
async fn strays(
    conn: &mut crate::db::Conn,
    server: &Server,
    held: &Held,
    known: &HashSet<(&'static str, &str)>,
    found: &mut Comparison,
) -> Result<(), Problem> {
    let prefixes = Account::prefixes(conn, server.told.id).await?;
    let of_secrets = held.secrets.iter().map(|it| ("secret", &it.row.id, &it.row.name, &it.row.comment));
    let of_queues = held.queues.iter().map(|it| ("queue", &it.id, &it.name, &it.comment));
    let mut accounts: HashMap<u64, Option<Account>> = HashMap::new();
    let mut ended: BTreeMap<(u64, String), Vec<&str>> = BTreeMap::new();
    for (object, id, name, comment) in of_secrets.chain(of_queues) {
        if known.contains(&(object, id.as_str())) {
            continue;
        }
        let Some((_, service_id, _)) = Mark::parse(comment).filter(|(prefix, ..)| prefixes.contains(prefix)) else {
            found.foreign += 1;
            continue;
        };
        if let std::collections::hash_map::Entry::Vacant(slot) = accounts.entry(service_id) {
            slot.insert(Account::find(conn, service_id).await?);
        }
        let account = accounts[&service_id].as_ref();
        let why = match account {
            None => Why::Unknown,
            // A create is under way, or will be sent again: what it left is its own.
            Some(account) if account.state == State::New => continue,
            Some(account) if account.server_id != server.told.id => Why::Elsewhere,
            Some(account) if account.state == State::Made => Why::OtherName,
            Some(account) if is_named(account, name) && crate::work::mark(account).owns(comment) => {
                let of = ended.entry((service_id, account.username.clone())).or_default();
                of.push(if *name == account.username { object } else { "CDN queue" });
                continue;
            }
            Some(_) => Why::Ended,
        };
        found.strays.push(Stray { object, name: name.clone(), comment: comment.clone(), service_id, why });
    }
    let remains = |((service_id, username), objects): ((u64, String), Vec<&str>)| Drift {
        service_id,
        username,
        differences: objects.iter().map(|it| format!("the {it} of an ended service is still there")).collect(),
        sealed: false,
        mend: Mend::Remove,
    };
    found.drifts.extend(ended.into_iter().map(remains));
    Ok(())
}
