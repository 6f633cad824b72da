//! Every fault does what its name says, and no more.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use turnpike::simulator::{Fault, Options, Simulator, When};

use crate::peer::{PATIENCE, Peer};

const PRINT: [&str; 3] = ["/queue/simple/print", "=.proplist=name,bytes", ".tag=p"];
const RESET: [&str; 3] = ["/queue/simple/reset-counters", "=numbers=user00001", ".tag=r"];
const IDENTITY: [&str; 2] = ["/system/identity/print", ".tag=i"];

/// A router with one customer online who has carried (500 down, 50 up).
async fn router() -> (Simulator, Peer) {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.populate(1, |_| String::new());
    simulator.connect("user00001", "secret", "l2tp", "").unwrap();
    simulator.carry("user00001", 500, 50);
    let peer = Peer::logged_in(&simulator).await;
    (simulator, peer)
}

fn down(simulator: &Simulator) -> u64 {
    simulator.world(|world| world.counters("/queue/simple", "user00001")).unwrap().down
}

async fn received(simulator: &Simulator, commands: u64) {
    let mut received = simulator.received();
    timeout(PATIENCE, received.wait_for(|count| *count >= commands)).await.unwrap().unwrap();
}

/// The router has not said a byte to this client when it goes, and notices that it is gone.
async fn said_nothing(mut peer: Peer) {
    peer.socket.shutdown().await.unwrap();
    let mut said = Vec::new();
    timeout(PATIENCE, peer.socket.read_to_end(&mut said)).await.unwrap().unwrap();
    assert_eq!(said, b"");
}

#[tokio::test]
async fn applied_or_not_and_then_the_connection_is_cut() {
    for (fault, left) in [
        (Fault::Refuse, 500),
        (Fault::ApplyAndLoseReply, 0),
        (Fault::CutAfterBytes(3), 0),
        (Fault::RebootBefore, 0),
        (Fault::RebootAfter, 0),
    ] {
        let (simulator, mut peer) = router().await;
        let uptime = simulator.world(|world| world.uptime());
        simulator.fault_at(When::at("/queue/simple/reset-counters"), fault.clone());
        assert_eq!(peer.lines(&PRINT).await.len(), 2, "another command is not struck");
        assert_eq!(peer.ask(&RESET).await, Vec::<Vec<String>>::new(), "{fault:?}");
        assert_eq!(down(&simulator), left, "{fault:?}");
        let rebooted = simulator.world(|world| world.uptime()) < uptime;
        assert_eq!(rebooted, matches!(fault, Fault::RebootBefore | Fault::RebootAfter), "{fault:?}");
        let mut peer = Peer::logged_in(&simulator).await;
        assert_eq!(peer.lines(&RESET).await, ["!done .tag=r"], "it strikes once");
    }
}

#[tokio::test]
async fn silence_is_silence() {
    for (fault, left, later_ones_are_answered) in [
        (Fault::Hang, 500, true),
        (Fault::Silence, 500, false),
        (Fault::ApplyThenSilence, 0, false),
        (Fault::StallAfterBytes(0), 0, false),
    ] {
        let (simulator, mut peer) = router().await;
        simulator.fault_at(When::at("/queue/simple/reset-counters"), fault.clone());
        peer.send(&RESET).await;
        received(&simulator, 2).await;
        assert_eq!(down(&simulator), left, "{fault:?}");
        peer.send(&IDENTITY).await;
        if later_ones_are_answered {
            assert_eq!(peer.answer().await.last().unwrap()[1], ".tag=i");
            let interrupted =
                ["!trap .tag=r =category=2 =message=interrupted", "!done .tag=c", "!done .tag=r"].map(str::to_owned);
            peer.send(&["/cancel", "=tag=r", ".tag=c"]).await;
            for line in interrupted {
                assert_eq!(peer.hear().await.unwrap().join(" "), line);
            }
        } else {
            said_nothing(peer).await;
        }
    }
}

#[tokio::test]
async fn a_slow_command_with_a_tag_does_not_hold_up_the_next_and_can_be_cancelled() {
    let (simulator, mut peer) = router().await;
    simulator.fault(Fault::Slow(Duration::from_millis(80)));
    peer.send(&PRINT).await;
    peer.send(&IDENTITY).await;
    let mut tags = Vec::new();
    for _ in 0..2 {
        tags.push(peer.answer().await.last().unwrap()[1].clone());
    }
    assert_eq!(tags, [".tag=i", ".tag=p"]);
    simulator.fault(Fault::Slow(Duration::from_hours(1)));
    peer.send(&RESET).await;
    peer.send(&["/cancel"]).await;
    let lines = [peer.hear().await, peer.hear().await, peer.hear().await].map(|words| words.unwrap().join(" "));
    assert_eq!(lines, ["!trap .tag=r =category=2 =message=interrupted", "!done", "!done .tag=r"]);
    assert_eq!(down(&simulator), 500, "cancelled before it was carried out");
}

#[tokio::test]
async fn answers_are_garbled_as_asked() {
    let row = "!re .tag=p =name=user00001 =bytes=50/500";
    let cases: [(Fault, &[&str]); 8] = [
        (
            Fault::Trap("std failure: timeout (13)".to_owned(), Some(4)),
            &["!trap .tag=p =category=4 =message=std failure: timeout (13)", "!done .tag=p"],
        ),
        (
            Fault::TwoTraps("one".to_owned(), "two".to_owned()),
            &["!trap .tag=p =category=0 =message=one", "!trap .tag=p =category=0 =message=two", "!done .tag=p"],
        ),
        (Fault::EmptyDone, &["!done .tag=p"]),
        (Fault::UnknownReply, &["!news .tag=p =message=of a later version", row, "!done .tag=p"]),
        (Fault::Untagged, &["!re =name=user00001 =bytes=50/500", "!done"]),
        (Fault::FatalMidway("going down".to_owned()), &[row, "!fatal going down"]),
        (Fault::CutAfterBytes(usize::MAX), &[row, "!done .tag=p"]),
        (Fault::Slow(Duration::from_millis(1)), &[row, "!done .tag=p"]),
    ];
    for (fault, expected) in cases {
        let (simulator, mut peer) = router().await;
        simulator.fault(fault.clone());
        assert_eq!(peer.lines(&PRINT).await, expected, "{fault:?}");
    }
    let (simulator, mut peer) = router().await;
    simulator.fault(Fault::WithoutDone);
    peer.send(&PRINT).await;
    assert_eq!(peer.hear().await.unwrap().join(" "), row);
    assert_eq!(peer.lines(&IDENTITY).await.len(), 2, "no !done, and the connection goes on");
    let mut served = simulator.served();
    // Login and identity; the print without its end is no answer.
    timeout(PATIENCE, served.wait_for(|count| *count == 2)).await.unwrap().unwrap();
}

#[tokio::test]
async fn noise_and_giant_words_arrive() {
    for (fault, first) in [(Fault::Garbage, 0xFF), (Fault::HugeWord(u32::MAX), 0xF0)] {
        let (simulator, mut peer) = router().await;
        simulator.fault(fault.clone());
        peer.send(&PRINT).await;
        received(&simulator, 2).await;
        let mut bytes = [0; 5];
        peer.socket.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, [first, 0xFF, 0xFF, 0xFF, 0xFF], "{fault:?}");
    }
}

#[tokio::test]
async fn hooks_run_before_and_after_a_command() {
    let (simulator, mut peer) = router().await;
    // Between the print and the reset that follow each other in the pipe, traffic comes; the reset swallows it.
    simulator.fault_at(
        When::at("/queue/simple/reset-counters"),
        Fault::call(|simulator| {
            assert!(simulator.carry("user00001", 25, 0));
        }),
    );
    simulator.fault_at(
        When::at("/queue/simple/reset-counters"),
        Fault::call_after(|simulator| {
            assert!(simulator.carry("user00001", 7, 0));
        }),
    );
    peer.send(&PRINT).await;
    peer.send(&RESET).await;
    assert_eq!(peer.answer().await[0][3], "=bytes=50/500");
    assert_eq!(peer.answer().await.len(), 1);
    assert_eq!(down(&simulator), 7);
    assert_eq!(simulator.carried("user00001"), (532, 50));
    // A hook and a fault can meet at one command.
    simulator.fault_at(When::every("/queue/*"), Fault::call(|simulator| simulator.pass(Duration::from_secs(1))));
    simulator.fault_at(When::nth("/queue/simple/print", 2), Fault::Trap("no".to_owned(), None));
    let before = simulator.world(|world| world.uptime());
    assert_eq!(peer.lines(&PRINT).await.len(), 2);
    assert_eq!(peer.lines(&PRINT).await[0], "!trap .tag=p =message=no");
    assert_eq!(simulator.world(|world| world.uptime()), before + Duration::from_secs(2));
    simulator.clear_faults();
    peer.lines(&PRINT).await;
    assert_eq!(simulator.world(|world| world.uptime()), before + Duration::from_secs(2));
}

#[tokio::test]
async fn logins_and_connections_fail_as_asked() {
    let (simulator, _peer) = router().await;
    let login = ["/login", "=name=turnpike", "=password=router-password"];
    simulator.fault_at(When::Connection, Fault::Refuse);
    let mut peer = Peer::connect(simulator.address()).await;
    assert_eq!(peer.hear().await, None);
    simulator.fault_at(When::Login, Fault::OldChallenge);
    let mut peer = Peer::connect(simulator.address()).await;
    assert_eq!(peer.lines(&login).await, ["!done =ret=93b438ec9b80057c06dd9fe67d56aa9a"]);
    assert_eq!(peer.lines(&IDENTITY).await, ["!fatal not logged in"]);
    simulator.fault_at(When::Login, Fault::Silence);
    let mut peer = Peer::connect(simulator.address()).await;
    peer.send(&login).await;
    // The router's own peer, the old challenge, the command after it, and this.
    received(&simulator, 4).await;
    said_nothing(peer).await;
    simulator.fault_at(When::EveryConnection, Fault::Hang);
    let mut peer = Peer::connect(simulator.address()).await;
    peer.send(&login).await;
    said_nothing(peer).await;
    simulator.clear_faults();
    Peer::logged_in(&simulator).await;
}
