//! The client against the simulator, which shares no code with it: that both mean the same, and that whatever goes
//! wrong once, the same call again ends in the right world.

use crate::{peer::mark, writes::wanted};
use futures_util::{StreamExt, stream};
use secrecy::SecretString;
use std::{collections::HashSet, net::Ipv4Addr, time::Duration};
use tokio::runtime::Handle;
use turnpike::plan::burst::{Burst, Rate};
use turnpike::{
    routeros::{
        Error, Limits, Login, Refusal, Reset, Router, Routers, Wanted, addresses_in_use, addresses_taken, counter,
        counters, ensure, facts, find, kick, look, profiles, read_and_reset, remove, secrets, sessions, set_disabled,
        set_password, set_rate, uptime_seconds,
    },
    simulator::{Fault, Options, Simulator, When},
    units::{Speed, Volume},
};

pub const VERSIONS: [&str; 4] = ["6.49.10", "7.9.2", "7.18.2", "7.24"];
pub const NAME: &str = "7-41";

fn login(simulator: &Simulator) -> Login {
    Login {
        name: "core-1".to_owned(),
        host: simulator.address().ip().to_string(),
        port: simulator.address().port(),
        tls: false,
        fingerprint: None,
        certified_as: None,
        username: "turnpike".to_owned(),
        password: SecretString::from("router-password"),
    }
}

/// Limits that run out while a person watches, and on no machine before a router that speaks has spoken.
fn brief() -> Limits {
    let short = Duration::from_millis(1500);
    Limits { connect: short, login: short, write: short, print: short * 3, print_idle: short, ..Limits::default() }
}

pub async fn start(options: Options) -> (Simulator, Router) {
    let simulator = Simulator::start(options).await.unwrap();
    let router = Routers::new(brief(), Handle::current()).get(1, login(&simulator));
    (simulator, router)
}

/// The one secret and the one queue are there, and as wanted.
fn assert_settled(simulator: &Simulator, wanted: &Wanted) {
    simulator.world(|world| {
        assert_eq!(world.table("/ppp/secret").rows().len(), 1);
        assert_eq!(world.table("/queue/simple").rows().len(), 1);
        let secret = |property| world.get("/ppp/secret", NAME, property).unwrap();
        assert_eq!(secret("remote-address"), wanted.address.to_string());
        assert_eq!(secret("password"), "streng");
        assert_eq!(secret("comment"), wanted.mark.comment());
        let queue = |property| world.get("/queue/simple", NAME, property).unwrap();
        assert_eq!(queue("target"), format!("{}/32", wanted.address));
        assert_eq!(queue("max-limit"), "10000000/50000000");
        assert_eq!(queue("comment"), wanted.mark.comment());
    });
}

#[tokio::test]
async fn a_customers_life_is_the_same_on_every_version() {
    for version in VERSIONS {
        let (simulator, router) = start(Options { version: version.to_owned(), ..Options::default() }).await;
        let (wanted, mark) = (wanted(), mark());
        let known = facts(&router).await.unwrap();
        assert!(known.version.starts_with(version) && known.identity == "MikroTik", "{known:?}");
        assert_eq!(known.uptime_seconds, uptime_seconds(&router).await.unwrap());
        assert!(profiles(&router).await.unwrap().iter().any(|profile| profile.name == "default"));

        let made = ensure(&router, &wanted).await.unwrap();
        assert!(made.secret_created && made.queue_created && made.changed);
        assert_settled(&simulator, &wanted);
        let again = ensure(&router, &wanted).await.unwrap();
        assert_eq!((again.queue_id, again.changed), (made.queue_id.clone(), false));

        simulator.connect(NAME, "streng", "l2tp", "192.0.2.7").unwrap();
        assert!(simulator.carry(NAME, 5_000_000, 300_000));
        let read = counter(&router, NAME, &mark).await.unwrap().unwrap();
        assert_eq!((read.volume, read.id()), (Volume::new(5_000_000, 300_000), made.queue_id.as_str()));
        assert!(read.packets.down > read.packets.up, "{read:?}");
        simulator.pass(Duration::from_secs(90));
        let seen = look(&router, NAME, &mark, tokio::time::Instant::now() + crate::peer::GENEROUS).await.unwrap();
        assert!(seen.secret_found && !seen.disabled);
        let session = &seen.sessions[0];
        assert_eq!((session.caller_id.as_str(), session.service.as_str()), ("192.0.2.7", "l2tp"));
        assert_eq!((session.address, session.uptime_seconds), (Some(wanted.address), 90));

        assert_eq!(set_disabled(&router, NAME, &mark, true).await, Ok(true));
        assert_eq!(kick(&router, NAME).await, Ok(1));
        assert!(!simulator.is_online(NAME) && simulator.connect(NAME, "streng", "l2tp", "192.0.2.7").is_err());
        assert_eq!(set_disabled(&router, NAME, &mark, false).await, Ok(true));
        assert_eq!(set_password(&router, NAME, &mark, &SecretString::from("neu")).await, Ok(true));
        simulator.connect(NAME, "neu", "pptp", "192.0.2.7").unwrap();

        assert_eq!(set_rate(&router, NAME, &mark, Rate::plain(Speed::new(2_000, 1_000))).await, Ok(true));
        let limit = || simulator.world(|world| world.get("/queue/simple", NAME, "max-limit").unwrap());
        assert_eq!(limit(), "1000000/2000000");
        let burst = Burst { limit: Speed::new(4_000, 2_000), threshold: Speed::new(1_500, 700), seconds: 8 };
        for _ in 0..2 {
            assert_eq!(
                set_rate(&router, NAME, &mark, Rate { speed: Speed::new(2_000, 1_000), burst: Some(burst) }).await,
                Ok(true)
            );
        }
        let sets = simulator.journal().iter().filter(|s| s.path == "/queue/simple/set").count();
        assert_eq!(sets, 2, "a speed that is right is not set again");
        let queue = find(&router, NAME, &mark).await.unwrap().queue.unwrap();
        assert_eq!((queue.burst_limit, queue.burst_seconds), (Speed::new(4_000, 2_000).into(), (8, 8)));

        assert_eq!(remove(&router, NAME, &mark).await, Ok(()));
        assert_eq!(remove(&router, NAME, &mark).await, Ok(()));
        assert!(!simulator.is_online(NAME));
        assert_eq!(simulator.world(|w| w.table("/ppp/secret").rows().len() + w.table("/queue/simple").rows().len()), 0);
        assert_eq!(simulator.connections(), 1);
    }
}

/// Everything that can happen to one command.
fn mishaps() -> Vec<(&'static str, Fault)> {
    vec![
        ("Refuse", Fault::Refuse),
        ("Hang", Fault::Hang),
        ("Silence", Fault::Silence),
        ("ApplyThenSilence", Fault::ApplyThenSilence),
        ("CutAfterBytes(0)", Fault::CutAfterBytes(0)),
        ("CutAfterBytes(9)", Fault::CutAfterBytes(9)),
        ("StallAfterBytes(9)", Fault::StallAfterBytes(9)),
        ("ApplyAndLoseReply", Fault::ApplyAndLoseReply),
        ("Garbage", Fault::Garbage),
        ("HugeWord", Fault::HugeWord(u32::MAX)),
        ("FatalMidway", Fault::FatalMidway("out of memory".to_owned())),
        ("RebootBefore", Fault::RebootBefore),
        ("RebootAfter", Fault::RebootAfter),
        ("Trap", Fault::Trap("std failure: timeout (13)".to_owned(), None)),
        ("TwoTraps", Fault::TwoTraps("failure: already have such name".to_owned(), "no such item".to_owned())),
        ("EmptyDone", Fault::EmptyDone),
        ("WithoutDone", Fault::WithoutDone),
        ("UnknownReply", Fault::UnknownReply),
        ("Untagged", Fault::Untagged),
    ]
}

/// Plays each path with each mishap, many at once: most of the time is spent in waiting for silent routers.
pub async fn each<F: AsyncFn(&str, &str, Fault)>(paths: &[&str], play: F) {
    let play = &play;
    let plays = paths.iter().flat_map(|path| mishaps().into_iter().map(move |(name, fault)| play(path, name, fault)));
    stream::iter(plays).buffer_unordered(24).collect::<Vec<()>>().await;
}

pub fn first_of(path: &str) -> When {
    When::Command { path: path.to_owned(), nth: 1 }
}

#[tokio::test]
async fn ensure_ends_in_one_secret_and_one_queue_whatever_happens_once() {
    let paths = ["/queue/simple/add", "/ppp/secret/add", "/queue/simple/print", "/ppp/secret/print"];
    each(&paths, async |path, name, fault| {
        let (simulator, router) = start(Options::default()).await;
        let wanted = wanted();
        simulator.fault_at(first_of(path), fault);
        let first = ensure(&router, &wanted).await;
        if let Err(error) = &first {
            // One lost reply is made good where it matters: at a change. A print's is told.
            assert!(path.ends_with("print"), "{path} {name}: {first:?}");
            assert!(!matches!(error, Error::NameTaken { .. }), "{path} {name}: {error:?}");
        }
        let second = ensure(&router.patient(), &wanted).await;
        assert!(second.is_ok(), "{path} {name}: {first:?} then {second:?}");
        assert_settled(&simulator, &wanted);
    })
    .await;
}

#[tokio::test]
async fn remove_ends_with_nothing_left_whatever_happens_once() {
    let paths = [
        "/ppp/secret/remove",
        "/ppp/active/remove",
        "/queue/simple/remove",
        "/ppp/active/print",
        "/ppp/secret/print",
        "/queue/simple/print",
    ];
    each(&paths, async |path, name, fault| {
        let (simulator, router) = start(Options::default()).await;
        let (wanted, mark) = (wanted(), mark());
        ensure(&router, &wanted).await.unwrap();
        simulator.connect(NAME, "streng", "l2tp", "192.0.2.7").unwrap();
        simulator.fault_at(first_of(path), fault);
        let first = remove(&router, NAME, &mark).await;
        assert!(first.is_ok() || path.ends_with("print"), "{path} {name}: {first:?}");
        let count = || simulator.world(|w| w.table("/ppp/secret").rows().len() + w.table("/queue/simple").rows().len());
        assert!(first.is_err() || count() == 0, "{path} {name}: a success, and something is left");
        let second = remove(&router.patient(), NAME, &mark).await;
        assert!(second.is_ok(), "{path} {name}: {first:?} then {second:?}");
        let left = simulator.world(|w| w.table("/ppp/secret").rows().len() + w.table("/queue/simple").rows().len());
        assert_eq!((left, simulator.is_online(NAME)), (0, false), "{path} {name}");
    })
    .await;
}

#[tokio::test]
async fn switching_off_is_true_when_it_is_said_to_be_whatever_happens_once() {
    each(&["/ppp/secret/set"], async |path, name, fault| {
        let (simulator, router) = start(Options::default()).await;
        let (wanted, mark) = (wanted(), mark());
        ensure(&router, &wanted).await.unwrap();
        simulator.fault_at(first_of(path), fault);
        assert_eq!(set_disabled(&router, NAME, &mark, true).await, Ok(true), "{name}");
        let disabled = simulator.world(|world| world.get("/ppp/secret", NAME, "disabled").unwrap());
        assert!(matches!(disabled.as_str(), "true" | "yes"), "{name}: {disabled}");
    })
    .await;
}

#[tokio::test]
async fn what_a_reset_is_said_to_be_is_what_it_was() {
    each(&["/queue/simple/reset-counters", "/queue/simple/print"], async |path, name, fault| {
        let (simulator, router) = start(Options::default()).await;
        let wanted = wanted();
        let id = ensure(&router, &wanted).await.unwrap().queue_id;
        simulator.connect(NAME, "streng", "l2tp", "192.0.2.7").unwrap();
        simulator.carry(NAME, 5_000, 300);
        let reboots = name.starts_with("Reboot");
        simulator.fault_at(first_of(path), fault);
        let mut outcome = read_and_reset(&router, std::slice::from_ref(&id), |_| true).await;
        assert_eq!(outcome.len(), 1, "{path} {name}: {outcome:?}");
        let (of, outcome) = outcome.remove(0);
        assert_eq!(of, [id], "{path} {name}");
        let left = simulator.world(|world| world.counters("/queue/simple", NAME).unwrap());
        match outcome {
            Reset::Done(read) => {
                assert_eq!(left.down + left.up, 0, "{path} {name}: done, and not zero");
                assert_eq!(read[0].volume, Volume::new(5_000, 300), "{path} {name}");
            }
            Reset::Refused(_) | Reset::NotSent(_) => {
                assert!(reboots || left.down == 5_000, "{path} {name}: {outcome:?}, and yet {left:?}");
            }
            Reset::Unknown => {
                assert!(!["UnknownReply", "EmptyDone"].contains(&name), "{path} {name}: known well enough");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_whole_router_is_read_and_reset_in_few_commands_and_foreign_queues_are_left() {
    let (simulator, router) = start(Options::default()).await;
    simulator.populate(1_234, |n| {
        if n % 10 == 0 { "someone else's".to_owned() } else { format!("WHMCS|Product ID:{n}|a@example.net") }
    });
    for n in [1, 10, 777] {
        let name = format!("user{n:05}");
        simulator.connect(&name, "secret", "l2tp", "192.0.2.7").unwrap();
        simulator.carry(&name, 1_000 * n, n);
    }
    uptime_seconds(&router).await.unwrap();
    let all = counters(&router).await.unwrap();
    assert_eq!(all.len(), 1_234);
    let ours: Vec<_> = all
        .iter()
        .filter(|r| r.mark().is_some_and(|(prefix, _)| prefix == "WHMCS"))
        .map(|r| r.id().to_owned())
        .collect();
    assert_eq!(ours.len(), 1_111);
    let outcome = read_and_reset(&router, &ours, |_| true).await;
    let mut reset = HashSet::new();
    let mut volume = Volume::ZERO;
    for (ids, outcome) in outcome {
        let Reset::Done(readings) = outcome else { panic!("{outcome:?}") };
        assert!(readings.len() == ids.len() && ids.len() <= 100);
        volume = readings.iter().fold(volume, |sum, reading| sum + reading.volume);
        reset.extend(ids);
    }
    assert_eq!(reset, ours.into_iter().collect());
    assert_eq!(volume, Volume::new(778_000, 778));
    assert_eq!(simulator.journal().len(), 2 + 1 + 12, "uptime, counters, print, ⌈1111/100⌉ resets");
    let left = |n: u32| simulator.world(|w| w.counters("/queue/simple", &format!("user{n:05}")).unwrap().down);
    assert_eq!((left(1), left(10), left(777)), (0, 10_000, 0));
}

#[tokio::test]
async fn addresses_are_known_with_their_owner() {
    let (simulator, router) = start(Options::default()).await;
    simulator.populate(120, |n| format!("owner {n}"));
    simulator.world(|world| world.add_row("/ppp/secret", &[("name", "boss"), ("remote-address", "10.8.0.9")]));
    let used = addresses_in_use(&router).await.unwrap();
    assert_eq!(used.len(), 241, "each of the 120 by a secret and by a queue");
    let asked: Vec<Ipv4Addr> =
        (1..=130).map(|n| Ipv4Addr::new(10, 64, 0, n)).chain([Ipv4Addr::new(10, 8, 0, 9)]).collect();
    let taken = addresses_taken(&router, &asked).await.unwrap();
    let of = |used: Vec<(Ipv4Addr, String)>| used.into_iter().collect::<HashSet<_>>();
    assert_eq!(of(taken), of(used));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (_simulator, router) = start(Options::default()).await;
    let unknown = ensure(&router, &Wanted { profile: "gold".to_owned(), ..wanted() }).await.unwrap_err();
    assert_eq!(unknown.refusal(), Some(Refusal::UnknownProfile), "{unknown:?}");
    let few = vec!["api".to_owned(), "read".to_owned()];
    let (simulator, router) = start(Options { policies: few, ..Options::default() }).await;
    let policy = ensure(&router, &wanted()).await.unwrap_err();
    assert_eq!(policy.refusal(), Some(Refusal::Policy), "{policy:?}");
    let wrong = Login { password: SecretString::from("falsch"), ..login(&simulator) };
    let refused = Routers::new(brief(), Handle::current()).once(wrong).await.unwrap_err();
    assert!(matches!(refused, Error::LoginRefused { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_router_that_hides_passwords_gets_them_set_and_nothing_else() {
    let policies = ["api", "read", "write"].map(str::to_owned).to_vec();
    let (simulator, router) = start(Options { policies, ..Options::default() }).await;
    let wanted = wanted();
    ensure(&router, &wanted).await.unwrap();
    simulator.world(|world| world.put("/ppp/secret", NAME, "password", "verstellt"));
    let again = ensure(&router, &wanted).await.unwrap();
    assert!(!again.changed);
    assert_settled(&simulator, &wanted);
}

#[tokio::test]
async fn a_router_with_too_many_sessions_is_tried_again_soon() {
    let (simulator, _router) = start(Options { max_sessions: 1, ..Options::default() }).await;
    let routers = Routers::new(brief(), Handle::current());
    let first = routers.once(login(&simulator)).await.unwrap();
    let error = routers.once(login(&simulator)).await.unwrap_err();
    assert!(error.is_away(), "{error:?}");
    drop(first);
    simulator.open().wait_for(|open| *open == 0).await.unwrap();
    routers.once(login(&simulator)).await.unwrap();
}

#[tokio::test]
async fn a_router_that_goes_and_comes_back_is_served_again() {
    let (simulator, router) = start(Options::default()).await;
    assert_eq!(secrets(&router).await.unwrap().len(), 0);
    simulator.stop().await;
    assert!(secrets(&router).await.unwrap_err().is_away());
    simulator.listen().await.unwrap();
    assert_eq!(sessions(&router.patient(), "nobody").await, Ok(vec![]));
    assert_eq!(secrets(&router).await.unwrap().len(), 0);
    assert_eq!(simulator.connections(), 1);
}
