//! Firewall address lists and the mangle rules that mark packets: what makes CDN traffic known to the queues, and what
//! carries a plan's address lists.
//!
//! Read by the names of lists, changed by id, one `add` an entry, because RouterOS takes no more at once. Nothing is
//! repeated blindly: after a lost reply the next comparison finds what was made. An entry that is there already is success.

use super::{Error, MOST_IDS, Refusal, Router, command::Command, facts::property, value::truth, wire::Row};
use futures_util::{StreamExt, TryStreamExt, stream};

const LISTS: &str = "/ip/firewall/address-list/print";
const LIST_SET: &str = "/ip/firewall/address-list/set";
const RULES: &str = "/ip/firewall/mangle/print";
const RULE_SET: &str = "/ip/firewall/mangle/set";
/// What is asked of a rule.
const RULE: &str = ".id,chain,action,new-packet-mark,passthrough,src-address-list,dst-address-list,disabled,dynamic,comment,\
                    bytes";
/// The most list names in one print.
const MOST_NAMES: usize = 50;
/// Adds in flight: as many as a router is asked to bear.
const AT_ONCE: usize = 4;

/// An entry as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// The list's name.
    pub list: String,
    /// An address, or a prefix shorter than /32, as RouterOS prints it.
    pub address: String,
    /// Its comment: whose it is.
    pub comment: String,
}

/// An entry as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// RouterOS's id.
    pub id: String,
    /// What it says. A `/32` is written without.
    pub entry: Entry,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Whether the router made it itself, or it has an end.
    pub dynamic: bool,
}

/// A rule in chain `forward` that marks packets from one list to another, and lets later rules see them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarkRule {
    /// `src-address-list`.
    pub from: String,
    /// `dst-address-list`.
    pub to: String,
    /// `new-packet-mark`.
    pub packet_mark: String,
    /// Its comment: whose it is.
    pub comment: String,
}

/// A rule that marks packets, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// RouterOS's id.
    pub id: String,
    /// What it says.
    pub rule: MarkRule,
    /// Its chain.
    pub chain: String,
    /// Whether later rules see the packets too.
    pub passthrough: bool,
    /// Whether it is switched off.
    pub disabled: bool,
    /// What it has marked, bytes.
    pub bytes: u64,
}

impl Rule {
    /// Whether it does what is wanted.
    pub fn is(&self, wanted: &MarkRule) -> bool {
        self.rule == *wanted && self.chain == "forward" && self.passthrough && !self.disabled
    }
}

/// What is to be changed. Entries and rules to be changed or removed are named by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Entries to be removed.
    pub remove: Vec<String>,
    /// Entries to be switched on.
    pub enable: Vec<String>,
    /// Entries to have another comment.
    pub comment: Vec<(String, String)>,
    /// Entries to be added.
    pub add: Vec<Entry>,
    /// Rules to be removed.
    pub remove_rules: Vec<String>,
    /// Rules to be made as these.
    pub set_rules: Vec<(String, MarkRule)>,
    /// Rules to be added.
    pub add_rules: Vec<MarkRule>,
}

impl Changes {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The entries of these lists, whosever they are.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn listed(router: &Router, lists: &[&str]) -> Result<Vec<Listed>, Error> {
    let mut all = Vec::new();
    for names in lists.chunks(MOST_NAMES) {
        let print = Command::print(LISTS, ".id,list,address,disabled,dynamic,comment");
        let print = names.iter().fold(print, |print, name| print.any("list", name));
        all.extend(router.print(print, entry).await?);
    }
    Ok(all)
}

pub(super) fn entry(row: &Row<'_>) -> Result<Option<Listed>, String> {
    let (id, address) = (property(row, ".id"), property(row, "address"));
    if id.is_empty() {
        return Err(format!("an entry {address:?} of an address list without an id"));
    }
    let address = address.strip_suffix("/32").unwrap_or(&address).to_owned();
    let entry = Entry { list: property(row, "list"), address, comment: property(row, "comment") };
    let on = |key| row.get(key).is_some_and(truth);
    Ok(Some(Listed { id, entry, disabled: on("disabled"), dynamic: on("dynamic") }))
}

/// The static mangle rules that mark packets, whosever they are, in their order.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn mark_rules(router: &Router) -> Result<Vec<Rule>, Error> {
    // Asked for by action: with PPP profiles that clamp the MSS a router has two rules of its own for each session.
    router.print(Command::print(RULES, RULE).any("action", "mark-packet"), rule).await
}

pub(super) fn rule(row: &Row<'_>) -> Result<Option<Rule>, String> {
    let on = |key| row.get(key).is_some_and(truth);
    let id = property(row, ".id");
    if on("dynamic") {
        return Ok(None);
    }
    if id.is_empty() {
        return Err("a mangle rule without an id".to_owned());
    }
    Ok(Some(Rule {
        id,
        rule: MarkRule {
            from: property(row, "src-address-list"),
            to: property(row, "dst-address-list"),
            packet_mark: property(row, "new-packet-mark"),
            comment: property(row, "comment"),
        },
        chain: property(row, "chain"),
        // Not said is yes: RouterOS's default.
        passthrough: row.get("passthrough").is_none_or(truth),
        disabled: on("disabled"),
        bytes: row.get("bytes").and_then(super::value::number).unwrap_or_default(),
    }))
}

/// Makes changes: removals first, so that no list is ever wider than it was or should be.
///
/// # Errors
/// Any [`Error`]; a part may have been made. What is to be done then is a new look and a new comparison.
pub async fn make_changes(router: &Router, changes: &Changes) -> Result<(), Error> {
    by_ids(router, "/ip/firewall/mangle/remove", &changes.remove_rules, |it| it).await?;
    by_ids(router, "/ip/firewall/address-list/remove", &changes.remove, |it| it).await?;
    by_ids(router, LIST_SET, &changes.enable, |it| it.switch("disabled", false)).await?;
    for (id, comment) in &changes.comment {
        router.write(Command::write(LIST_SET).set(".id", id).set("comment", comment)).await?;
    }
    let add = |entry: &Entry| {
        let command = Command::write("/ip/firewall/address-list/add")
            .set("list", &entry.list)
            .set("address", &entry.address)
            .set("comment", &entry.comment);
        async move {
            match router.write(command).await {
                Err(error) if error.refusal() == Some(Refusal::NameExists) => Ok(()),
                added => added.map(|_| ()),
            }
        }
    };
    stream::iter(changes.add.iter().map(add)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    for (id, rule) in &changes.set_rules {
        router.write(saying(Command::write(RULE_SET).set(".id", id), rule)).await?;
    }
    for rule in &changes.add_rules {
        router.write(saying(Command::write("/ip/firewall/mangle/add"), rule)).await?;
    }
    Ok(())
}

/// A rule's arguments. Later rules see the packets: some of them, such as those that clamp the MSS, are other people's.
fn saying(command: Command, rule: &MarkRule) -> Command {
    command
        .set("chain", "forward")
        .set("action", "mark-packet")
        .set("src-address-list", &rule.from)
        .set("dst-address-list", &rule.to)
        .set("new-packet-mark", &rule.packet_mark)
        .switch("passthrough", true)
        .switch("disabled", false)
        .set("comment", &rule.comment)
}

async fn by_ids(
    router: &Router,
    path: &'static str,
    ids: &[String],
    with: impl Fn(Command) -> Command,
) -> Result<(), Error> {
    for some in ids.chunks(MOST_IDS) {
        router.write(with(Command::write(path).set(".id", &some.join(",")))).await?;
    }
    Ok(())
}
