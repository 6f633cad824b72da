//! Commands, replies and refusals as a RouterOS gives them.

use turnpike::simulator::{Options, Simulator};

use crate::peer::Peer;

#[tokio::test]
async fn a_secret_and_its_queue_live_and_die() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let mut peer = Peer::logged_in(&simulator).await;
    let secret = [
        "/ppp/secret/add",
        "=name=ada",
        "=password=pw",
        "=service=any",
        "=profile=default",
        "=remote-address=10.0.0.7",
        "=comment=x|Product ID:7|ada@example.net",
        ".tag=1",
    ];
    assert_eq!(peer.lines(&secret).await, ["!done .tag=1 =ret=*1"]);
    assert_eq!(
        peer.lines(&secret).await,
        ["!trap .tag=1 =message=failure: secret with the same name already exists", "!done .tag=1"]
    );
    let queue = ["/queue/simple/add", "=name=ada", "=target=10.0.0.7", "=max-limit=10M/50M"];
    assert_eq!(peer.lines(&queue).await, ["!done =ret=*1"]);
    assert_eq!(simulator.connect("ada", "wrong", "pptp", "198.51.100.1"), Err("authentication failed".to_owned()));
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
    assert_eq!(
        peer.lines(&["/ppp/active/print", "=.proplist=.id,name,address"]).await,
        ["!re =.id=*1 =name=ada =address=10.0.0.7", "!done"]
    );
    assert_eq!(peer.lines(&["/ppp/active/remove", "=.id=*1"]).await, ["!done"]);
    assert!(!simulator.is_online("ada"));
    assert_eq!(peer.lines(&["/ppp/active/print"]).await, ["!empty", "!done"]);
    assert_eq!(peer.lines(&["/queue/simple/print", "=.proplist=bytes"]).await, ["!re =bytes=0/0", "!done"]);
    assert_eq!(simulator.carried("ada"), (5_000, 700));
    assert_eq!(peer.lines(&["/queue/simple/remove", "=.id=*1"]).await, ["!done"]);
    assert_eq!(
        peer.lines(&["/queue/simple/remove", "=.id=*1"]).await,
        ["!trap =category=0 =message=no such item (4)", "!done"]
    );
    assert_eq!(peer.lines(&queue).await, ["!done =ret=*2"]);
}
