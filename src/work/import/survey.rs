//! What of a router's objects can be taken into the books, and what is in the way of the rest. Looks at nothing but what
//! was read.

use crate::{
    account::{
        addresses::AddressSpace,
        credentials::{check_password, check_username},
        settings::PppService,
    },
    routeros::{Inventory, Mark, OpenSecret, QueueRow},
    units::Speed,
    usage::reading::Counter,
    work::collect,
};
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::Ipv4Addr,
};

/// A secret of the prefix, and its queue, as they are.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) username: String,
    pub(super) password: SecretString,
    pub(super) email: String,
    pub(super) address: Ipv4Addr,
    pub(super) profile: String,
    pub(super) ppp_service: PppService,
    pub(super) speed: Speed,
    pub(super) disabled: bool,
    /// What its queue shows; None where there is none.
    pub(super) counter: Option<Counter>,
    /// What staff should know, sentences without a full stop.
    pub(super) remarks: Vec<String>,
}

/// A service that objects on the router name.
#[derive(Clone, Debug)]
pub(super) struct Marked {
    pub(super) service_id: u64,
    /// The secret's name; more than one is in the way.
    pub(super) names: Vec<String>,
    /// What can be taken over, or why it cannot.
    pub(super) outcome: Result<Candidate, String>,
}

/// A router as an import sees it.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    /// Services that have a secret, by id.
    pub(super) marked: Vec<Marked>,
    /// Queues that name a service without a secret.
    pub(super) orphans: Vec<(u64, String)>,
    /// Objects without a mark of that prefix.
    pub(super) foreign: usize,
    pub(super) uptime_seconds: u64,
}

struct Ground<'a> {
    space: Option<AddressSpace>,
    /// How many secrets have a name.
    secret_names: HashMap<&'a str, usize>,
    queue_names: HashSet<&'a str>,
    /// Queues by the service that they name.
    queues: HashMap<u64, Vec<&'a QueueRow>>,
    /// Who uses an address: the object, and the service that its comment names.
    users: HashMap<Ipv4Addr, Vec<(String, Option<u64>)>>,
    counters: HashMap<&'a str, Counter>,
}

/// Sorts an inventory. `addresses` are the server's, as written.
pub(super) fn take(inventory: &Inventory, prefix: &str, addresses: &[String]) -> Survey {
    let service =
        |comment: &str| Mark::parse(comment).filter(|(its, ..)| its == prefix).map(|(_, id, email)| (id, email));
    let (mut secrets, mut foreign) = (BTreeMap::<u64, Vec<(&OpenSecret, String)>>::new(), 0);
    let mut ground = Ground {
        space: AddressSpace::parse(addresses).ok(),
        secret_names: HashMap::new(),
        queue_names: inventory.queues.iter().map(|it| it.name.as_str()).collect(),
        queues: HashMap::new(),
        users: HashMap::new(),
        counters: inventory.readings.iter().map(|it| (it.id(), collect::counter_of(it))).collect(),
    };
    for it in &inventory.secrets {
        *ground.secret_names.entry(&it.row.name).or_default() += 1;
        let mark = service(&it.row.comment);
        if let Some(address) = it.row.address {
            let user = (format!("secret {}", it.row.name), mark.as_ref().map(|(id, _)| *id));
            ground.users.entry(address).or_default().push(user);
        }
        match mark {
            Some((id, email)) => secrets.entry(id).or_default().push((it, email)),
            None => foreign += 1,
        }
    }
    let mut orphans = Vec::new();
    for it in &inventory.queues {
        let mark = service(&it.comment).map(|(id, _)| id);
        for address in it.addresses() {
            ground.users.entry(address).or_default().push((format!("queue {}", it.name), mark));
        }
        match mark {
            Some(id) if secrets.contains_key(&id) => ground.queues.entry(id).or_default().push(it),
            Some(id) => orphans.push((id, it.name.clone())),
            None => foreign += 1,
        }
    }
    let marked = secrets.into_iter().map(|(service_id, its)| {
        let names = its.iter().map(|(it, _)| it.row.name.clone()).collect();
        Marked { service_id, names, outcome: ground.candidate(service_id, &its) }
    });
    Survey { marked: marked.collect(), orphans, foreign, uptime_seconds: inventory.uptime_seconds }
}

impl Ground<'_> {
    fn candidate(&self, service_id: u64, secrets: &[(&OpenSecret, String)]) -> Result<Candidate, String> {
        let [(secret, email)] = secrets else {
            return Err(format!("{} secrets name this service: remove all but one", secrets.len()));
        };
        let row = &secret.row;
        if service_id == 0 || i64::try_from(service_id).is_err() {
            return Err("its comment names no service that WHMCS can have".to_owned());
        }
        check_username(&row.name).map_err(|why| format!("its name {why}: rename it in WHMCS and on the router"))?;
        if self.secret_names.get(row.name.as_str()).is_some_and(|count| *count > 1) {
            return Err("another secret has the same name: rename or remove it".to_owned());
        }
        let Some(address) = row.address else {
            return Err(
                "its secret has no remote-address of its own: set one, or run Create for it in WHMCS".to_owned()
            );
        };
        // The queue of its name is told of first: it may be what uses its address.
        let queue = self.queue(service_id, &row.name, address)?;
        self.is_alone(service_id, address)?;
        let Some(password) = &secret.password else {
            let why = "the router does not show its password: the API user's group needs the policy sensitive, and the secret a password";
            return Err(why.to_owned());
        };
        check_password(password.expose_secret()).map_err(|why| format!("its password {why}: set another one"))?;
        let ppp_service =
            PppService::parse(&row.service).map_err(|_why| format!("its PPP service is {:?}", row.service))?;
        let mut remarks = Vec::new();
        self.remark(address, queue, &mut remarks);
        Ok(Candidate {
            username: row.name.clone(),
            password: password.clone(),
            email: email.chars().filter(|it| !it.is_control()).take(255).collect(),
            address,
            profile: row.profile.clone(),
            ppp_service,
            // Without a queue nothing limits it now, and nothing shall before its product is known.
            speed: queue.map(|it| it.max_limit.speed()).unwrap_or_default(),
            disabled: row.disabled,
            counter: queue.and_then(|it| self.counters.get(it.id.as_str()).cloned()),
            remarks,
        })
    }

    /// Whether nothing but the service's own objects uses the address.
    fn is_alone(&self, service_id: u64, address: Ipv4Addr) -> Result<(), String> {
        let others = self.users.get(&address).into_iter().flatten().filter(|(_, whose)| *whose != Some(service_id));
        match others.map(|(what, _)| what.as_str()).collect::<Vec<_>>().as_slice() {
            [] => Ok(()),
            others => {
                Err(format!("its address {address} is also used by {}: give one of them another", others.join(", ")))
            }
        }
    }

    /// The service's queue, where it has one that counts it and nobody else.
    fn queue(&self, service_id: u64, username: &str, address: Ipv4Addr) -> Result<Option<&QueueRow>, String> {
        let ours = self.queues.get(&service_id).map(Vec::as_slice).unwrap_or_default();
        if let Some(other) = ours.iter().find(|it| it.name != username) {
            return Err(format!("its queue is called {}: rename it to {username}, or remove it", other.name));
        }
        if ours.is_empty() && self.queue_names.contains(username) {
            return Err(format!("the queue {username} does not name this service in its comment: rename or remove it"));
        }
        match ours.first() {
            Some(queue) if !queue.is_for(address) => {
                let target = &queue.target;
                Err(format!("its queue counts {target}, not {address}/32: set its target, or remove it"))
            }
            queue => Ok(queue.copied()),
        }
    }

    fn remark(&self, address: Ipv4Addr, queue: Option<&QueueRow>, remarks: &mut Vec<String>) {
        if self.space.as_ref().is_some_and(|space| !space.contains(address)) {
            remarks.push("its address is none of the server's Assigned IP Addresses; it keeps it".to_owned());
        }
        match queue {
            None => {
                remarks.push("it has no queue: nothing counts or limits it until Change Package or rebuild".to_owned());
            }
            Some(queue) if queue.disabled => {
                remarks.push("its queue is disabled: nothing counts or limits it until rebuild".to_owned());
            }
            Some(_) => {}
        }
    }
}
