//! The second queue of an account, the lists and the rules that mark its packets: against the simulator, on every version,
//! and with every fault at each command that makes them.

use crate::{
    peer::mark,
    simulated::{NAME, VERSIONS, each, first_of, start},
    writes::wanted,
};
use std::net::Ipv4Addr;
use turnpike::{
    plan::burst::Rate,
    routeros::{
        CdnQueue, Changes, Difference, Entry, Error, MarkRule, Router, Wanted, differences, ensure, holding, listed,
        make_changes, mark_rules, remove,
    },
    simulator::{Options, Simulator},
    units::Speed,
};

const QUEUES: &str = "/queue/simple";
const LISTS: &str = "/ip/firewall/address-list";
const RULES: &str = "/ip/firewall/mangle";
const REMOTE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

fn with_cdn() -> Wanted {
    let cdn = CdnQueue { packet_mark: "turnpike-cdn-1".to_owned(), speed: Speed::new(100_000, 20_000) };
    Wanted { cdn: Some(cdn), queue_type: Some("pcq".to_owned()), ..wanted() }
}

fn entry(list: &str, address: &str) -> Entry {
    Entry { list: list.to_owned(), address: address.to_owned(), comment: "Turnpike|CDN:1".to_owned() }
}

fn rule(from: &str, to: &str, way: &str) -> MarkRule {
    let comment = format!("Turnpike|CDN:1|{way}");
    MarkRule { from: from.to_owned(), to: to.to_owned(), packet_mark: "turnpike-cdn-1".to_owned(), comment }
}

fn marking() -> Changes {
    Changes {
        add: vec![entry("cdn", "203.0.113.0/24"), entry("cdn", "198.51.100.9"), entry("cdn-accounts", "10.8.0.2")],
        add_rules: vec![rule("cdn-accounts", "cdn", "to"), rule("cdn", "cdn-accounts", "from")],
        ..Changes::default()
    }
}

fn names(simulator: &Simulator) -> Vec<String> {
    simulator.world(|world| world.table(QUEUES).rows().iter().map(|it| it.get("name").unwrap().to_owned()).collect())
}

fn counted(simulator: &Simulator, name: &str) -> (u64, u64) {
    let counters = simulator.world(|world| world.counters(QUEUES, name)).unwrap();
    (counters.down, counters.up)
}

async fn drift(router: &Router, wanted: &Wanted) -> Vec<Difference> {
    let held = holding(router, std::collections::HashMap::new()).await.unwrap();
    differences(wanted, &held.secrets.iter().collect::<Vec<_>>(), &held.queues.iter().collect::<Vec<_>>())
}

#[tokio::test]
async fn marked_packets_are_counted_apart_on_every_version() {
    for version in VERSIONS {
        let (simulator, router) = start(Options { version: version.to_owned(), ..Options::default() }).await;
        let wanted = with_cdn();
        assert!(ensure(&router, &wanted).await.unwrap().changed);
        make_changes(&router, &marking()).await.unwrap();
        assert_eq!(names(&simulator), ["7-41-cdn", NAME], "{version}");
        let queue = |name: &str, property: &str| simulator.world(|world| world.get(QUEUES, name, property)).unwrap();
        assert_eq!(queue("7-41-cdn", "max-limit"), "20000000/100000000");
        assert_eq!(
            (queue("7-41-cdn", "target"), queue("7-41-cdn", "packet-marks")),
            ("10.8.0.2/32".into(), "turnpike-cdn-1".into())
        );
        assert_eq!(queue(NAME, "queue"), "pcq/pcq");
        simulator.connect(NAME, "streng", "l2tp", "192.0.2.7").unwrap();
        simulator.carry_with(NAME, REMOTE, 7_000, 900);
        simulator.carry_with(NAME, [198, 51, 100, 9].into(), 50, 5);
        simulator.carry(NAME, 300, 20);
        assert_eq!(
            (counted(&simulator, "7-41-cdn"), counted(&simulator, NAME)),
            ((7_050, 905), (300, 20)),
            "{version}"
        );
        assert!(!ensure(&router, &wanted).await.unwrap().changed, "{version}: there is nothing left to do");
        assert_eq!(drift(&router, &wanted).await, []);
        remove(&router, NAME, &mark()).await.unwrap();
        assert!(names(&simulator).is_empty(), "{version}");
    }
}

#[tokio::test]
async fn a_cdn_queue_is_mended_moved_and_removed_as_the_plan_says() {
    let (simulator, router) = start(Options::default()).await;
    ensure(&router, &wanted()).await.unwrap();
    let wanted_cdn = with_cdn();
    assert_eq!(drift(&router, &wanted_cdn).await.len(), 2, "no CDN queue, and another type of queue");
    ensure(&router, &wanted_cdn).await.unwrap();
    simulator.world(|world| {
        world.put(QUEUES, "7-41-cdn", "max-limit", "1/1");
        world.put(QUEUES, "7-41-cdn", "packet-marks", "");
        world.put(QUEUES, "7-41-cdn", "disabled", "true");
        let id = world.table(QUEUES).named("7-41-cdn").unwrap().number();
        world.table_mut(QUEUES).place(id, None);
    });
    assert_eq!(names(&simulator), [NAME, "7-41-cdn"]);
    let said: Vec<String> = drift(&router, &wanted_cdn).await.iter().map(ToString::to_string).collect();
    let expected = [
        "the CDN queue's max-limit is 1/1, should be 20000000/100000000",
        "the CDN queue has no packet-marks, should be turnpike-cdn-1",
        "the CDN queue's disabled is yes, should be no",
        "the CDN queue's place is behind the queue, should be before the queue",
    ];
    assert_eq!(said, expected);
    assert!(ensure(&router, &wanted_cdn).await.unwrap().changed);
    assert_eq!(drift(&router, &wanted_cdn).await, []);
    // Another customer's queue of that very name is left alone, whatever is wanted.
    simulator.world(|world| world.put(QUEUES, "7-41-cdn", "comment", "WHMCS|Product ID:99|eve@example.net"));
    let taken = ensure(&router, &wanted_cdn).await.unwrap_err();
    assert!(matches!(&taken, Error::NameTaken { name, .. } if name == "7-41-cdn"), "{taken:?}");
    ensure(&router, &wanted()).await.unwrap();
    remove(&router, NAME, &mark()).await.unwrap();
    assert_eq!(names(&simulator), ["7-41-cdn"]);
    simulator.world(|world| world.put(QUEUES, "7-41-cdn", "comment", &mark().comment()));
    assert!(ensure(&router, &wanted()).await.unwrap().changed);
    assert_eq!(names(&simulator), [NAME], "a plan without CDN tiers has no such queue");
}

#[tokio::test]
async fn the_second_queue_is_there_once_whatever_happens_once() {
    let paths = ["/queue/simple/add", "/queue/simple/print", "/queue/simple/move", "/queue/simple/set"];
    each(&paths, async |path, name, fault| {
        let (simulator, router) = start(Options::default()).await;
        let wanted = with_cdn();
        if path.ends_with("move") || path.ends_with("set") {
            ensure(&router, &wanted).await.unwrap();
            simulator.world(|world| {
                world.put(QUEUES, "7-41-cdn", "max-limit", "1/1");
                let id = world.table(QUEUES).named("7-41-cdn").unwrap().number();
                world.table_mut(QUEUES).place(id, None);
            });
        }
        simulator.fault_at(first_of(path), fault);
        let _first = ensure(&router, &wanted).await;
        ensure(&router.patient(), &wanted).await.unwrap();
        assert_eq!(names(&simulator), ["7-41-cdn", NAME], "{path} {name}");
        assert_eq!(drift(&router.patient(), &wanted).await, [], "{path} {name}");
    })
    .await;
}

#[tokio::test]
async fn entries_and_rules_are_read_changed_and_removed_by_id() {
    for version in VERSIONS {
        let (simulator, router) = start(Options { version: version.to_owned(), ..Options::default() }).await;
        simulator.world(|world| {
            world.add_row(LISTS, &[("list", "cdn"), ("address", "192.0.2.1"), ("comment", "the boss's own")]);
            world.add_row(LISTS, &[("list", "other"), ("address", "192.0.2.2")]);
            world.add_row(RULES, &[("chain", "forward"), ("action", "change-mss"), ("new-mss", "1360")]);
            let foreign = [("chain", "forward"), ("action", "mark-packet"), ("new-packet-mark", "voip")];
            world.add_row(RULES, &foreign);
        });
        let mut changes = marking();
        // One that is there already, whosever it is, is no failure.
        changes.add.push(entry("cdn", "192.0.2.1"));
        make_changes(&router, &changes).await.unwrap();
        let all = listed(&router, &["cdn", "cdn-accounts"]).await.unwrap();
        assert_eq!(all.len(), 4, "{version}: {all:?}");
        let id = |address: &str| all.iter().find(|it| it.entry.address == address).unwrap().id.clone();
        let rules = mark_rules(&router).await.unwrap();
        assert_eq!(rules.len(), 3);
        assert!(rules[1].is(&rule("cdn-accounts", "cdn", "to")) && rules[2].is(&rule("cdn", "cdn-accounts", "from")));
        assert!(!rules[0].is(&rule("cdn", "cdn-accounts", "from")));
        simulator.world(|world| {
            world.put(LISTS, &id("10.8.0.2"), "disabled", "true");
            world.put(RULES, &rules[1].id, "passthrough", "false");
        });
        let other = rule("cdn-accounts", "cdn", "other");
        let more = Changes {
            remove: vec![id("203.0.113.0/24"), id("198.51.100.9")],
            enable: vec![id("10.8.0.2")],
            comment: vec![(id("10.8.0.2"), "mine".to_owned())],
            set_rules: vec![(rules[1].id.clone(), other.clone())],
            remove_rules: vec![rules[2].id.clone()],
            ..Changes::default()
        };
        make_changes(&router, &more).await.unwrap();
        let left = listed(&router, &["cdn", "cdn-accounts"]).await.unwrap();
        assert_eq!(left.iter().map(|it| it.entry.comment.as_str()).collect::<Vec<_>>(), ["the boss's own", "mine"]);
        assert!(left.iter().all(|it| !it.disabled && !it.dynamic));
        let rules = mark_rules(&router).await.unwrap();
        assert!(rules.len() == 2 && rules[1].is(&other), "{version}: {rules:?}");
        assert_eq!(simulator.world(|world| world.table(RULES).rows().len()), 3, "what marks nothing stayed");
        assert_eq!(listed(&router, &[]).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_thousand_entries_go_and_a_set_speed_is_one_command() {
    let (simulator, router) = start(Options::default()).await;
    let add = (0..250).map(|n| entry("cdn", &format!("198.18.{n}.0/24"))).collect();
    make_changes(&router, &Changes { add, ..Changes::default() }).await.unwrap();
    let ids = listed(&router, &["cdn"]).await.unwrap().into_iter().map(|it| it.id).collect();
    simulator.clear_journal();
    make_changes(&router, &Changes { remove: ids, ..Changes::default() }).await.unwrap();
    assert_eq!(simulator.journal().len(), 3, "⌈250/100⌉ removals");
    assert!(listed(&router, &["cdn"]).await.unwrap().is_empty());
    assert_eq!(Rate::plain(with_cdn().cdn.unwrap().speed).to_string(), "20000k/100000k");
}
