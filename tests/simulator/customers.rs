//! Customers dial in, carry traffic and hang up; counters count what they should, and forget when they should.

use std::time::Duration;

use turnpike::simulator::{Options, Simulator};

use crate::peer::Peer;

async fn router() -> (Simulator, Peer) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let peer = Peer::logged_in(&simulator).await;
    (simulator, peer)
}

fn queue(simulator: &Simulator, name: &str) -> (u64, u64) {
    let counters = simulator.world(|world| world.counters("/queue/simple", name)).unwrap();
    (counters.down, counters.up)
}

#[tokio::test]
async fn only_a_customer_in_good_standing_gets_in() {
    let (simulator, _peer) = router().await;
    simulator.world(|world| {
        world.add_row("/ppp/profile", &[("name", "single"), ("only-one", "yes"), ("remote-address", "10.9.0.1")]);
        let ada = [("name", "ada"), ("password", "pw"), ("service", "pptp"), ("caller-id", "198.51.100.1")];
        world.add_row("/ppp/secret", &ada);
        world.put("/ppp/secret", "ada", "profile", "single");
        world.add_row("/ppp/secret", &[("name", "bea"), ("password", "pw")]);
    });
    let refusals = [
        (("eve", "pw", "pptp", "198.51.100.1"), "user not found"),
        (("ada", "no", "pptp", "198.51.100.1"), "authentication failed"),
        (("ada", "pw", "l2tp", "198.51.100.1"), "user is not allowed to use l2tp"),
        (("ada", "pw", "pptp", "198.51.100.2"), "caller-id does not match"),
        (("bea", "pw", "pptp", ""), "no remote address"),
    ];
    for ((user, password, service, caller), reason) in refusals {
        assert_eq!(simulator.connect(user, password, service, caller), Err(reason.to_owned()));
    }
    simulator.connect("ada", "pw", "pptp", "198.51.100.1").unwrap();
    let again = simulator.connect("ada", "pw", "pptp", "198.51.100.1");
    assert_eq!(again, Err("user has already a session".to_owned()), "the profile admits only one");
    simulator.world(|world| world.put("/ppp/secret", "ada", "disabled", "true"));
    assert!(simulator.is_online("ada"), "disabling does not end a session");
    simulator.hang_up("ada");
    let refused = simulator.connect("ada", "pw", "pptp", "198.51.100.1");
    assert_eq!(refused, Err("user is disabled".to_owned()));
    let remembered = |what: &str| simulator.world(|world| world.get("/ppp/secret", "ada", what)).unwrap();
    assert_eq!(remembered("last-caller-id"), "198.51.100.1");
    assert_eq!(remembered("last-logged-out"), "2026-01-01 00:00:00");
    assert_eq!(remembered("last-disconnect-reason"), "peer-request");
}

#[tokio::test]
async fn pools_give_addresses_and_take_them_back() {
    let (simulator, mut peer) = router().await;
    peer.ask(&["/ip/pool/add", "=name=vpn", "=ranges=10.8.0.2-10.8.0.3"]).await;
    peer.ask(&["/ppp/profile/set", "=.id=default", "=remote-address=vpn"]).await;
    for name in ["=name=a", "=name=b", "=name=c"] {
        peer.ask(&["/ppp/secret/add", name, "=password=pw"]).await;
    }
    simulator.connect("a", "pw", "l2tp", "").unwrap();
    simulator.connect("b", "pw", "l2tp", "").unwrap();
    assert_eq!(simulator.connect("c", "pw", "l2tp", ""), Err("pool is empty".to_owned()));
    let used = ["/ip/pool/used/print", "=.proplist=pool,address,owner,info"];
    let expected = [
        "!re =pool=vpn =address=10.8.0.2 =owner=PPP =info=a",
        "!re =pool=vpn =address=10.8.0.3 =owner=PPP =info=b",
        "!done",
    ];
    assert_eq!(peer.lines(&used).await, expected);
    simulator.hang_up("a");
    simulator.connect("c", "pw", "l2tp", "").unwrap();
    let address = ["/ppp/active/print", "=.proplist=address", "?name=c"];
    assert_eq!(peer.lines(&address).await, ["!re =address=10.8.0.2", "!done"]);
}

#[tokio::test]
async fn the_first_queue_that_holds_the_address_counts() {
    let (simulator, mut peer) = router().await;
    simulator.populate(2, |number| format!("n{number}"));
    simulator.connect("user00002", "secret", "pptp", "").unwrap();
    assert!(!simulator.carry("user00001", 1, 1), "offline");
    simulator.carry("user00002", 3_000, 200);
    assert_eq!((queue(&simulator, "user00001"), queue(&simulator, "user00002")), ((0, 0), (3_000, 200)));
    // A wider queue before it takes it all; a disabled one takes nothing.
    peer.ask(&["/queue/simple/add", "=name=all", "=target=10.64.0.0/16", "=place-before=user00001"]).await;
    simulator.carry("user00002", 50, 5);
    peer.ask(&["/queue/simple/disable", "=numbers=all"]).await;
    simulator.carry("user00002", 7, 1);
    assert_eq!((queue(&simulator, "all"), queue(&simulator, "user00002")), ((50, 5), (3_007, 201)));
    // As a parent it counts, and its child too.
    peer.ask(&["/queue/simple/set", "=numbers=user00002", "=parent=all"]).await;
    peer.ask(&["/queue/simple/enable", "=numbers=all"]).await;
    simulator.carry("user00002", 100, 10);
    assert_eq!((queue(&simulator, "all"), queue(&simulator, "user00002")), ((150, 15), (3_107, 211)));
    // FastTrack passes by the queues, not by the interface; so does whatever else takes packets past them.
    let rule = ["/ip/firewall/filter/add", "=chain=forward", "=action=fasttrack-connection"];
    assert_eq!(peer.lines(&rule).await, ["!done =ret=*1"]);
    simulator.carry("user00002", 1_000, 100);
    peer.ask(&["/ip/firewall/filter/disable", "=numbers=*1"]).await;
    simulator.world(|world| world.quirks.fast_track = true);
    simulator.carry("user00002", 1_000, 100);
    assert_eq!(queue(&simulator, "user00002"), (3_107, 211));
    let interface = simulator.world(|world| world.interface_counters("user00002")).unwrap();
    assert_eq!((interface.down, interface.up), (5_157, 416));
    assert_eq!(simulator.carried("user00002"), (5_157, 416));
    simulator.world(|world| world.quirks.fast_track = false);
    simulator.carry("user00002", 1, 1);
    assert_eq!(queue(&simulator, "user00002"), (3_108, 212));
}

#[tokio::test]
async fn a_rate_in_the_profile_makes_a_dynamic_queue_that_swallows_the_static_one() {
    let (simulator, mut peer) = router().await;
    simulator.populate(1, |_| String::new());
    peer.ask(&["/ppp/profile/set", "=numbers=default", "=rate-limit=1M/2M 2M/4M"]).await;
    simulator.connect("user00001", "secret", "pptp", "").unwrap();
    let dynamic = ["/queue/simple/print", "=.proplist=.id,name,target,max-limit", "?dynamic=true"];
    let name = "<pptp-user00001>";
    let expected = [format!("!re =.id=*2 =name={name} =target={name} =max-limit=1000000/2000000"), "!done".to_owned()];
    assert_eq!(peer.lines(&dynamic).await, expected);
    simulator.carry("user00001", 10, 1);
    assert_eq!((queue(&simulator, name), queue(&simulator, "user00001")), ((10, 1), (0, 0)));
    let refused = ["!trap =message=failure: can not change dynamic item", "!done"];
    assert_eq!(peer.lines(&["/queue/simple/set", "=.id=*2", "=comment=mine"]).await, refused);
    simulator.hang_up("user00001");
    assert_eq!(peer.lines(&dynamic).await, ["!empty", "!done"]);
    peer.ask(&["/ppp/profile/set", "=numbers=default", "=insert-queue-before=bottom"]).await;
    simulator.connect("user00001", "secret", "pptp", "").unwrap();
    simulator.carry("user00001", 10, 1);
    assert_eq!((queue(&simulator, name), queue(&simulator, "user00001")), ((0, 0), (10, 1)));
}

#[tokio::test]
async fn a_static_binding_keeps_its_interface_and_a_second_session_gets_another() {
    let (simulator, mut peer) = router().await;
    simulator.populate(1, |_| String::new());
    let binding = ["/interface/l2tp-server/add", "=name=l2tp-one", "=user=user00001"];
    assert_eq!(peer.lines(&binding).await, ["!done =ret=*1"]);
    simulator.connect("user00001", "secret", "l2tp", "").unwrap();
    simulator.connect("user00001", "secret", "l2tp", "").unwrap();
    assert_eq!(simulator.sessions("user00001"), 2);
    simulator.carry("user00001", 10, 1);
    let names = ["/interface/print", "=.proplist=name,tx-byte,dynamic", "?type=l2tp-in"];
    let both = [
        "!re =name=l2tp-one =dynamic=false =tx-byte=10",
        "!re =name=<l2tp-user00001> =dynamic=true =tx-byte=0",
        "!done",
    ];
    assert_eq!(peer.lines(&names).await, both);
    simulator.hang_up("user00001");
    assert_eq!(peer.lines(&names).await, [both[0], "!done"]);
    peer.ask(&["/interface/l2tp-server/remove", "=numbers=l2tp-one"]).await;
    assert_eq!(peer.lines(&names).await, ["!empty", "!done"]);
}

#[tokio::test]
async fn a_limit_in_the_secret_ends_the_session() {
    let (simulator, mut peer) = router().await;
    simulator.populate(1, |_| String::new());
    peer.ask(&["/ppp/secret/set", "=numbers=user00001", "=limit-bytes-out=1000"]).await;
    simulator.connect("user00001", "secret", "l2tp", "").unwrap();
    simulator.carry("user00001", 999, 5_000);
    assert!(simulator.is_online("user00001"));
    simulator.carry("user00001", 1, 0);
    assert!(!simulator.is_online("user00001"));
}

#[tokio::test]
async fn a_reboot_forgets_counters_and_sessions_and_keeps_the_configuration() {
    let (simulator, mut peer) = router().await;
    simulator.populate(3, |_| String::new());
    simulator.connect("user00001", "secret", "l2tp", "").unwrap();
    simulator.carry("user00001", 500, 50);
    let list = ["/ip/firewall/address-list/add", "=list=slow", "=address=10.64.0.1"];
    peer.ask(&list).await;
    peer.ask(&["/ip/firewall/address-list/add", "=list=slow", "=address=10.64.0.2", "=timeout=1h"]).await;
    assert_eq!(peer.lines(&list).await, ["!trap =message=failure: already have such entry", "!done"]);
    simulator.pass(Duration::from_mins(1));
    let timeout = ["/ip/firewall/address-list/print", "=.proplist=timeout", "?dynamic=true"];
    assert_eq!(peer.lines(&timeout).await, ["!re =timeout=59m", "!done"]);
    simulator.reboot();
    assert_eq!(peer.hear().await, None, "a reboot cuts connections");
    let mut peer = Peer::logged_in(&simulator).await;
    assert_eq!(peer.lines(&["/system/resource/print", "=.proplist=uptime"]).await, ["!re =uptime=0s", "!done"]);
    assert_eq!(peer.lines(&["/queue/simple/print", "=count-only="]).await, ["!done =ret=3"]);
    assert_eq!(queue(&simulator, "user00001"), (0, 0));
    assert!(!simulator.is_online("user00001"));
    assert_eq!(simulator.carried("user00001"), (500, 50), "what was carried stays true");
    assert_eq!(peer.lines(&["/ip/firewall/address-list/print", "=count-only="]).await, ["!done =ret=1"]);
    assert_eq!(peer.lines(&["/user/active/print", "=count-only="]).await, ["!done =ret=1"]);
}

#[tokio::test]
async fn an_entry_of_an_address_list_runs_out() {
    let (simulator, mut peer) = router().await;
    peer.ask(&["/ip/firewall/address-list/add", "=list=slow", "=address=10.64.0.2", "=timeout=1h"]).await;
    let count = ["/ip/firewall/address-list/print", "=count-only="];
    simulator.pass(Duration::from_secs(3_599));
    assert_eq!(peer.lines(&count).await, ["!done =ret=1"]);
    simulator.pass(Duration::from_secs(1));
    assert_eq!(peer.lines(&count).await, ["!done =ret=0"]);
}

#[tokio::test]
async fn packets_with_a_mark_go_to_the_queue_for_it_and_the_rest_to_the_next() {
    let (simulator, mut peer) = router().await;
    simulator.populate(1, |_| String::new());
    let add = "/ip/firewall/address-list/add";
    assert_eq!(peer.lines(&[add, "=list=cdn", "=address=203.0.113.9/24"]).await, ["!done =ret=*1"]);
    peer.ask(&[add, "=list=cdn-accounts", "=address=10.64.0.1/32"]).await;
    let shown = ["/ip/firewall/address-list/print", "=.proplist=list,address"];
    let entries = ["!re =list=cdn =address=203.0.113.0/24", "!re =list=cdn-accounts =address=10.64.0.1", "!done"];
    assert_eq!(peer.lines(&shown).await, entries);
    let refused = ["!trap =category=1 =message=invalid value for argument address", "!done"];
    assert_eq!(peer.lines(&[add, "=list=cdn", "=address=203.0.113.0/33"]).await, refused);
    let again = ["!trap =message=failure: already have such entry", "!done"];
    assert_eq!(peer.lines(&[add, "=list=cdn", "=address=203.0.113.1/24"]).await, again);
    for (source, destination) in [("cdn-accounts", "cdn"), ("cdn", "cdn-accounts")] {
        let ends = [format!("=src-address-list={source}"), format!("=dst-address-list={destination}")];
        let mark = ["=chain=forward", "=action=mark-packet", "=new-packet-mark=cdn", &ends[0], &ends[1]];
        peer.ask(&[&["/ip/firewall/mangle/add"], &mark[..]].concat()).await;
    }
    let unknown = ["!trap =category=1 =message=input does not match any value of action", "!done"];
    assert_eq!(peer.lines(&["/ip/firewall/mangle/add", "=chain=forward", "=action=mark"]).await, unknown);
    let queue_add = ["/queue/simple/add", "=name=cdn", "=target=10.64.0.1", "=packet-marks=cdn"];
    peer.ask(&[&queue_add[..], &["=place-before=user00001"]].concat()).await;
    simulator.connect("user00001", "secret", "l2tp", "").unwrap();
    simulator.carry_with("user00001", [203, 0, 113, 7].into(), 3_000, 200);
    simulator.carry("user00001", 50, 5);
    assert_eq!((queue(&simulator, "cdn"), queue(&simulator, "user00001")), ((3_000, 200), (50, 5)));
    let rules = ["/ip/firewall/mangle/print", "=.proplist=bytes,packets,passthrough"];
    let counted =
        ["!re =passthrough=true =bytes=200 =packets=1", "!re =passthrough=true =bytes=3000 =packets=3", "!done"];
    assert_eq!(peer.lines(&rules).await, counted);
    // Behind the queue that takes every mark it counts nothing.
    peer.ask(&["/queue/simple/move", "=numbers=cdn"]).await;
    simulator.carry_with("user00001", [203, 0, 113, 7].into(), 7, 1);
    assert_eq!((queue(&simulator, "cdn"), queue(&simulator, "user00001")), ((3_000, 200), (57, 6)));
}
