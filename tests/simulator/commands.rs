//! Commands, replies and refusals as a RouterOS gives them.

use turnpike::simulator::{Options, Simulator};

use crate::peer::Peer;

async fn router(version: &str) -> (Simulator, Peer) {
    let options = Options { version: version.to_owned(), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let peer = Peer::logged_in(&simulator).await;
    (simulator, peer)
}

#[tokio::test]
async fn an_account_is_sold_used_reset_and_removed() {
    let (simulator, mut peer) = router("7.18.2").await;
    let comment = "=comment=x|Product ID:7|ada@example.net";
    let secret = ["/ppp/secret/add", "=name=ada", "=password=pw", "=remote-address=10.0.0.7", comment, ".tag=1"];
    assert_eq!(peer.lines(&secret).await, ["!done .tag=1 =ret=*1"]);
    let queue = ["/queue/simple/add", "=name=ada", "=target=10.0.0.7", "=max-limit=10M/50M"];
    assert_eq!(peer.lines(&queue).await, ["!done =ret=*1"]);
    simulator.connect("ada", "pw", "pptp", "198.51.100.1").unwrap();
    assert!(simulator.carry("ada", 5_000, 700));
    assert_eq!(
        peer.lines(&["/queue/simple/print", "=.proplist=.id,name,target,max-limit,bytes,packets"]).await,
        [
            "!re =.id=*1 =name=ada =target=10.0.0.7/32 =max-limit=10000000/50000000 =bytes=700/5000 =packets=1/4",
            "!done"
        ]
    );
    assert_eq!(
        peer.lines(&["/interface/print", "=.proplist=name,rx-byte,tx-byte", "?type=pptp-in"]).await,
        ["!re =name=<pptp-ada> =rx-byte=700 =tx-byte=5000", "!done"]
    );
    assert_eq!(peer.lines(&["/queue/simple/reset-counters", "=numbers=*1"]).await, ["!done"]);
    let active = ["/ppp/active/print", "=.proplist=.id,name,address"];
    assert_eq!(peer.lines(&active).await, ["!re =.id=*1 =name=ada =address=10.0.0.7", "!done"]);
    assert_eq!(peer.lines(&["/ppp/active/remove", "=.id=*1"]).await, ["!done"]);
    assert!(!simulator.is_online("ada"));
    assert_eq!(peer.lines(&active).await, ["!empty", "!done"]);
    assert_eq!(peer.lines(&["/interface/print", "=count-only="]).await, ["!done =ret=2"]);
    assert_eq!(peer.lines(&["/queue/simple/print", "=.proplist=bytes"]).await, ["!re =bytes=0/0", "!done"]);
    assert_eq!(simulator.carried("ada"), (5_000, 700));
    assert_eq!(peer.lines(&["/queue/simple/remove", "=.id=*1"]).await, ["!done"]);
    let stale = ["!trap =category=0 =message=no such item (4)", "!done"];
    assert_eq!(peer.lines(&["/queue/simple/remove", "=.id=*1"]).await, stale);
    assert_eq!(peer.lines(&queue).await, ["!done =ret=*2"], "ids are not given twice");
}

#[tokio::test]
async fn a_secret_shows_what_a_real_one_shows() {
    let (_simulator, mut peer) = router("7.9.2").await;
    assert_eq!(peer.lines(&["/ppp/secret/add", "=name=ada", "=password=pw"]).await, ["!done =ret=*1"]);
    let heard = peer.ask(&["/ppp/secret/print", "=detail="]).await;
    let mut words = heard[0].clone();
    words[1..].sort();
    // The properties of a captured row, plus service and the id.
    let mut expected = vec![
        "!re",
        "=.id=*1",
        "=caller-id=",
        "=disabled=false",
        "=ipv6-routes=",
        "=last-caller-id=",
        "=last-disconnect-reason=",
        "=last-logged-out=jan/01/1970 00:00:00",
        "=limit-bytes-in=0",
        "=limit-bytes-out=0",
        "=name=ada",
        "=password=pw",
        "=profile=default",
        "=routes=",
        "=service=any",
    ];
    expected[1..].sort_unstable();
    assert_eq!(words, expected);
}

/// Commands, and the category (`-` for none) and message of the trap they get.
#[rustfmt::skip]
const REFUSALS: &[(&str, &str)] = &[
    ("/ppp/secret/add =name=ada", "- failure: secret with the same name already exists"),
    ("/queue/simple/add =name=ada =target=10.0.0.8", "- failure: already have such name"),
    ("/ppp/secret/add =password=x", "1 missing value(s) of argument(s) name"),
    ("/queue/simple/add =name=b", "1 missing value(s) of argument(s) target"),
    ("/ppp/secret/add =name=b =profile=gold", "1 input does not match any value of profile"),
    ("/ppp/secret/add =name=b =service=ppptp", "1 input does not match any value of service"),
    ("/ppp/secret/add =name=b =remote-address=10.0.0", "1 invalid value for argument remote-address"),
    ("/ppp/secret/add =name=b =remote-address=", "1 invalid value for argument remote-address"),
    ("/ppp/secret/add =name=b =disabled=perhaps", "1 invalid value for argument disabled"),
    ("/ppp/secret/add =name=b =remote-adress=10.0.0.8", "0 unknown parameter remote-adress"),
    ("/queue/simple/add =target=10.0.0.8 =max-limit=fast", "1 invalid value for argument max-limit"),
    ("/queue/simple/add =target=10.0.0.8 =max-limit=1M/1M =limit-at=2M/1M", "- failure: upload-max-limit less than upload-limit"),
    ("/ppp/secret/set =.id=*9 =comment=x", "0 no such item (4)"),
    ("/ppp/secret/set =comment=x", "1 missing value(s) of argument(s) numbers"),
    ("/ppp/secret/set =.id=*1 =colour=red", "0 unknown parameter colour"),
    ("/ppp/secret/set =.id=*1 =profile=gold", "1 input does not match any value of profile"),
    ("/ppp/secret/remove =.id=", "0 no such item (4)"),
    ("/ppp/secret/print =colour=", "0 unknown parameter colour"),
    ("/ppp/secret/destroy =.id=*1", "0 no such command"),
    ("/ppp/active/add =name=ada", "0 no such command"),
    ("/ppp/profile/remove =numbers=default", "- failure: can not remove default item"),
    ("/ip/pool/add =name=p", "1 missing value(s) of argument(s) ranges"),
    ("/system/identity/set =name=", "1 invalid value for argument name"),
    ("/queue/simple/reset-counters =numbers=*1,*7", "0 no such item (4)"),
    ("/queue/simple/reset =numbers=*1", "0 no such command"),
    ("/ppp/secret/set =.id=*1 =!name=", "1 invalid value for argument name"),
    ("/ppp/secret/unset =.id=*1 =value-name=name", "1 input does not match any value of value-name"),
    ("/ppp/secret/unset =.id=*1", "1 missing value(s) of argument(s) value-name"),
];

#[tokio::test]
async fn refusals_speak_routeros() {
    let (_simulator, mut peer) = router("7.18.2").await;
    peer.ask(&["/ppp/secret/add", "=name=ada", "=remote-address=10.0.0.7"]).await;
    peer.ask(&["/queue/simple/add", "=name=ada", "=target=10.0.0.7"]).await;
    for (command, refusal) in REFUSALS {
        let words: Vec<&str> = command.split(' ').collect();
        let (category, message) = refusal.split_once(' ').unwrap();
        let category = if category == "-" { String::new() } else { format!("=category={category} ") };
        let expected = [format!("!trap {category}=message={message}"), "!done".to_owned()];
        assert_eq!(peer.lines(&words).await, expected, "{command}");
    }
    assert_eq!(peer.lines(&["/ppp/secret/print", "=count-only="]).await, ["!done =ret=1"], "nothing was half done");
    assert_eq!(peer.lines(&["/queue/simple/print", "=count-only="]).await, ["!done =ret=1"]);
}

#[tokio::test]
async fn rows_are_set_unset_switched_moved_and_copied() {
    let (simulator, mut peer) = router("7.18.2").await;
    for name in ["a", "b", "c"] {
        let (name, address) = (format!("=name={name}"), format!("=target=10.0.0.{}", name.as_bytes()[0]));
        peer.ask(&["/queue/simple/add", &name, &address]).await;
    }
    assert_eq!(peer.lines(&["/queue/simple/disable", "=numbers=a,*2"]).await, ["!done"]);
    let names = ["/queue/simple/print", "=.proplist=name", "?disabled=yes"];
    assert_eq!(peer.lines(&names).await, ["!re =name=a", "!re =name=b", "!done"]);
    assert_eq!(peer.lines(&["/queue/simple/enable", "=.id=*1,*2"]).await, ["!done"]);
    assert_eq!(peer.lines(&["/queue/simple/move", "=numbers=c", "=destination=a"]).await, ["!done"]);
    let add = ["/queue/simple/add", "=copy-from=a", "=name=d", "=place-before=b", "=comment=copy"];
    assert_eq!(peer.lines(&add).await, ["!done =ret=*4"]);
    let all = ["/queue/simple/print", "=.proplist=name,target"];
    let target = "=target=10.0.0.97/32";
    let expected = [
        "!re =name=c =target=10.0.0.99/32".to_owned(),
        format!("!re =name=a {target}"),
        format!("!re =name=d {target}"),
        "!re =name=b =target=10.0.0.98/32".to_owned(),
        "!done".to_owned(),
    ];
    assert_eq!(peer.lines(&all).await, expected);
    // A comment goes with an empty value, an address only with `unset` or `!`.
    peer.ask(&["/queue/simple/set", "=.id=*4", "=comment="]).await;
    assert_eq!(simulator.world(|world| world.get("/queue/simple", "d", "comment")), None);
    peer.ask(&["/ppp/secret/add", "=name=ada", "=remote-address=10.0.0.7", "=local-address=10.0.0.1"]).await;
    assert_eq!(peer.lines(&["/ppp/secret/set", "=.id=*1", "=!remote-address="]).await, ["!done"]);
    let unset = ["/ppp/secret/unset", "=numbers=ada", "=value-name=local-address"];
    assert_eq!(peer.lines(&unset).await, ["!done"]);
    let lacking = ["/ppp/secret/print", "=.proplist=name", "?-remote-address", "?-local-address"];
    assert_eq!(peer.lines(&lacking).await, ["!re =name=ada", "!done"]);
    peer.ask(&["/queue/simple/set", "=numbers=d", "=max-limit=1M/2M"]).await;
    peer.ask(&["/queue/simple/unset", "=numbers=d", "=value-name=max-limit"]).await;
    let limit = ["/queue/simple/print", "=.proplist=max-limit", "?name=d"];
    assert_eq!(peer.lines(&limit).await, ["!re =max-limit=0/0", "!done"], "back to its default");
    peer.ask(&["/ppp/profile/add", "=name=gold"]).await;
    peer.ask(&["/ppp/secret/set", "=.id=ada", "=profile=gold", "=name=eve"]).await;
    peer.ask(&["/ppp/profile/set", "=.id=gold", "=name=silver"]).await;
    let profile = |simulator: &Simulator| simulator.world(|world| world.get("/ppp/secret", "eve", "profile"));
    assert_eq!(profile(&simulator).as_deref(), Some("silver"), "references follow a new name");
    peer.ask(&["/ppp/profile/remove", "=.id=silver"]).await;
    assert_eq!(profile(&simulator).as_deref(), Some("*3"), "references to a removed row become its id");
}

#[tokio::test]
async fn single_menus_have_one_row_and_no_id() {
    let (simulator, mut peer) = router("7.24").await;
    assert_eq!(peer.lines(&["/system/identity/set", "=name=gate"]).await, ["!done"]);
    assert_eq!(peer.lines(&["/system/identity/print"]).await, ["!re =name=gate", "!done"]);
    let resource = ["/system/resource/print", "=.proplist=uptime,version,board-name"];
    let expected = ["!re =board-name=RB5009UG+S+ =uptime=1d =version=7.24 (stable)", "!done"];
    assert_eq!(peer.lines(&resource).await, expected);
    simulator.pass(std::time::Duration::from_secs(90_061));
    assert_eq!(peer.lines(&["/system/resource/print", "=.proplist=uptime"]).await, ["!re =uptime=2d1h1m1s", "!done"]);
    let clock = ["/system/clock/print", "=.proplist=date,time"];
    assert_eq!(peer.lines(&clock).await, ["!re =time=01:01:01 =date=2026-01-02", "!done"]);
    simulator.set_version("7.9.2");
    assert_eq!(peer.lines(&clock).await, ["!re =time=01:01:01 =date=jan/02/2026", "!done"]);
    let server = ["/interface/l2tp-server/server/set", "=enabled=no", "=use-ipsec=required"];
    assert_eq!(peer.lines(&server).await, ["!done"]);
    simulator.world(|world| world.add_row("/ppp/secret", &[("name", "ada"), ("remote-address", "10.0.0.7")]));
    assert_eq!(simulator.connect("ada", "", "l2tp", ""), Err("the l2tp server is not enabled".to_owned()));
}

#[tokio::test]
async fn policies_hold_back_what_they_do_not_grant() {
    let (simulator, mut full) = router("7.21.5").await;
    full.ask(&["/ppp/secret/add", "=name=ada", "=password=pw"]).await;
    let only = |policies: &[&str]| policies.iter().map(|policy| (*policy).to_owned()).collect::<Vec<_>>();
    simulator.world(|world| {
        world.add_user("reader", "r", &only(&["read", "api"]));
        world.add_user("outsider", "o", &only(&["read", "write"]));
    });
    let mut peer = Peer::connect(simulator.address()).await;
    let refused = ["!trap =message=invalid user name or password (6)", "!done"];
    assert_eq!(peer.lines(&["/login", "=name=outsider", "=password=o"]).await, refused, "no policy api");
    assert_eq!(peer.lines(&["/login", "=name=reader", "=password=r"]).await, ["!done"]);
    let not_enough = ["!trap =message=not enough permissions (9)", "!done"];
    assert_eq!(peer.lines(&["/ppp/secret/add", "=name=b"]).await, not_enough);
    assert_eq!(peer.lines(&["/ppp/active/remove", "=.id=*1"]).await, not_enough);
    assert_eq!(peer.lines(&["/system/reboot"]).await, not_enough);
    let print = ["/ppp/secret/print", "=.proplist=name,password"];
    assert_eq!(peer.lines(&print).await, ["!re =name=ada", "!done"], "no policy sensitive");
    assert_eq!(full.lines(&print).await, ["!re =name=ada =password=pw", "!done"]);
    simulator.world(|world| world.quirks.ask_for_sensitive = true);
    assert_eq!(full.lines(&print).await, ["!re =name=ada", "!done"]);
    let asking = ["/ppp/secret/print", "=.proplist=name,password", "=show-sensitive="];
    assert_eq!(full.lines(&asking).await, ["!re =name=ada =password=pw", "!done"]);
    let who = ["/user/active/print", "=.proplist=name,via,group"];
    let expected =
        ["!re =name=turnpike =via=api =group=turnpike-group", "!re =name=reader =via=api =group=reader-group", "!done"];
    assert_eq!(full.lines(&who).await, expected);
}

#[tokio::test]
async fn switches_choose_between_behaviours_nobody_documented() {
    let (simulator, mut peer) = router("7.18.2").await;
    for name in ["=name=a", "=name=b"] {
        peer.ask(&["/ppp/secret/add", name]).await;
    }
    let trap = ["!trap =category=0 =message=no such item (4)", "!done"];
    let enabled = ["/ppp/secret/print", "=count-only=", "?disabled=false"];
    assert_eq!(peer.lines(&["/ppp/secret/disable", "=numbers=*1,*9,*2"]).await, trap);
    assert_eq!(peer.lines(&enabled).await, ["!done =ret=2"], "nothing done");
    simulator.world(|world| world.quirks.partial_lists = true);
    assert_eq!(peer.lines(&["/ppp/secret/disable", "=numbers=*1,*9,*2"]).await, trap);
    assert_eq!(peer.lines(&enabled).await, ["!done =ret=1"], "the one before the bad id");
    simulator.world(|world| {
        world.quirks.tag_last = true;
        world.quirks.set_restarts_counters = true;
    });
    assert_eq!(peer.lines(&["/ppp/secret/add", "=name=c", ".tag=z"]).await, ["!done =ret=*3 .tag=z"]);
    simulator.world(|world| world.quirks.no_ret = true);
    assert_eq!(peer.lines(&["/ppp/secret/add", "=name=d"]).await, ["!done"]);
    simulator.populate(1, |_| String::new());
    simulator.connect("user00001", "secret", "l2tp", "").unwrap();
    simulator.carry("user00001", 10, 1);
    peer.ask(&["/queue/simple/set", "=.id=user00001", "=max-limit=1M/1M"]).await;
    assert_eq!(simulator.world(|world| world.counters("/queue/simple", "user00001")).unwrap().down, 0);
}

#[tokio::test]
async fn words_of_any_bytes_and_lengths_come_back_unchanged() {
    let (_simulator, mut peer) = router("7.18.2").await;
    for size in [1, 0x70, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000] {
        let name = format!("=name=n{size}");
        let comment = format!("=comment={}", "é=~".repeat(size / 4 + 1));
        peer.ask(&["/ppp/secret/add", &name, &comment]).await;
        let heard = peer.ask(&["/ppp/secret/print", "=.proplist=comment", &format!("?name=n{size}")]).await;
        assert_eq!(heard[0][1], comment, "{size}");
    }
}
