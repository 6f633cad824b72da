//! Three sidecars, each on its own node of a Galera cluster of Debian's packages: load from all sides, a node killed, a sidecar
//! killed. What was committed through one node counts at the others, conflicts are done over, nothing is booked twice or lost.
//! Where `TURNPIKE_TEST_GALERA` is set; the nodes are private, on loopback, and gone with the test.

use crate::{
    books_check::{assert_books_equal, booked, open_resets},
    sidecars::{LEASE, Sidecar, hooks_of_one_service_at, now, until},
    world::{Database, GB, TestApp},
};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use turnpike::{clock::Clock, db::Address, params, sql};

const GALERA: &str = "TURNPIKE_TEST_GALERA";
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

/// A server of the cluster; killed when dropped.
struct Node {
    child: Child,
    port: u16,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Node {
    fn start(folder: &Path, number: usize, ports: [u16; 3], cluster: &str) -> Self {
        let [port, group, transfer] = ports;
        let data = folder.join(number.to_string());
        let path = |name: &str| folder.join(format!("{number}.{name}")).display().to_string();
        let mut command = Command::new("mariadbd");
        command.arg("--no-defaults").args(as_root()).arg(format!("--datadir={}", data.display()));
        command.arg(format!("--socket={}", path("socket"))).arg(format!("--pid-file={}", path("pid")));
        command
            .arg(format!("--log-error={}", path("log")))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--port={port}"));
        command.args(["--skip-name-resolve", "--performance-schema=OFF", "--innodb-buffer-pool-size=48M"]);
        // What the disk would do is no part of the test; what Galera asks for is.
        command.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=32M"]);
        command.args(["--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON"]);
        command.arg(format!("--wsrep-provider={PROVIDER}")).arg(format!("--wsrep-cluster-address={cluster}"));
        command.arg(format!("--wsrep-node-address=127.0.0.1:{group}")).arg(format!("--wsrep-node-name=n{number}"));
        command.args(["--wsrep-cluster-name=turnpike", "--wsrep-sst-method=skip"]);
        command.arg(format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{transfer};\
             gcache.size=16M;pc.recovery=false;evs.suspect_timeout=PT4S;evs.inactive_timeout=PT8S;\
             evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.5S"
        ));
        if cluster == "gcomm://" {
            command.arg("--wsrep-new-cluster");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, port }
    }

    fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/turnpike?prefer_socket=false", self.port)
    }

    /// One status variable, or nothing while it does not answer.
    async fn status(&self, name: &str) -> Option<String> {
        let opts = mysql_async::Opts::from_url(&format!("mysql://root@127.0.0.1:{}/?prefer_socket=false", self.port));
        let mut conn = mysql_async::Conn::new(opts.unwrap()).await.ok()?;
        let row: Option<(String, String)> = conn.query_first(format!("SHOW STATUS LIKE '{name}'")).await.ok()?;
        let _closed = conn.disconnect().await;
        row.map(|(_, value)| value)
    }

    async fn synced(&self) {
        until("a node is synced", async || self.status("wsrep_local_state_comment").await.as_deref() == Some("Synced"))
            .await;
    }
}

fn as_root() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().unwrap();
    (id.stdout == b"0\n").then_some("--user=root")
}

/// Ports that nobody has just now.
fn free_ports<const N: usize>() -> [u16; N] {
    let all: [std::net::TcpListener; N] = std::array::from_fn(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    all.map(|it| it.local_addr().unwrap().port())
}

struct Cluster {
    nodes: Vec<Node>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Three nodes. A whole copy of a node's data is what the scripts of Debian's full server package would make; here the
    /// others begin with the same empty data as the first, and are told where in the cluster's history that stands.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = |number: usize| folder.path().join(number.to_string());
        let made = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ])
            .args(as_root())
            .arg(format!("--datadir={}", data(1).display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for number in [2, 3] {
            let copied = Command::new("cp").arg("-a").arg(data(1)).arg(data(number)).status().unwrap();
            assert!(copied.success());
        }
        let free: [u16; 9] = free_ports();
        let ports: [[u16; 3]; 3] = std::array::from_fn(|node| std::array::from_fn(|at| free[node * 3 + at]));
        let [port, group, _] = ports[0];
        let mut nodes = vec![Node::start(folder.path(), 1, ports[0], "gcomm://")];
        nodes[0].synced().await;
        for number in [2, 3] {
            let history = nodes[0].status("wsrep_cluster_state_uuid").await.unwrap();
            let at = nodes[0].status("wsrep_last_committed").await.unwrap();
            let state = format!(
                "# GALERA saved state\nversion: 2.1\nuuid:    {history}\nseqno:   {at}\nsafe_to_bootstrap: 0\n"
            );
            std::fs::write(data(number).join("grastate.dat"), state).unwrap();
            let node = Node::start(folder.path(), number, ports[number - 1], &format!("gcomm://127.0.0.1:{group}"));
            node.synced().await;
            nodes.push(node);
        }
        assert_eq!(nodes[2].status("wsrep_cluster_size").await.as_deref(), Some("3"));
        let opts = mysql_async::Opts::from_url(&format!("mysql://root@127.0.0.1:{port}/?prefer_socket=false"));
        let mut conn = mysql_async::Conn::new(opts.unwrap()).await.unwrap();
        conn.query_drop("CREATE DATABASE turnpike CHARACTER SET utf8mb4 COLLATE utf8mb4_bin").await.unwrap();
        conn.disconnect().await.unwrap();
        Self { nodes, _folder: folder }
    }

    /// The test's own service, on the first node.
    async fn app(&self) -> TestApp {
        let database = Database::at(Address::Mysql(self.nodes[0].url().into())).await;
        let app = TestApp::on_database(database, LEASE).await;
        now(&app);
        app
    }
}

/// Asks one sidecar after the other, as a balancer would, until one does it.
async fn somebody(sidecars: &[&Sidecar], hook: &str, body: &Value) -> Value {
    let mut last = Value::Null;
    for _ in 0..20 {
        for sidecar in sidecars {
            let (status, answer) = sidecar.hook(hook, body).await;
            if status == 200 {
                return answer;
            }
            assert!(matches!(status, 0 | 409 | 503), "{hook}: {status} {answer}\n{}", sidecar.log());
            last = answer;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("nobody did {hook}: {last}");
}

const SERVICES: std::ops::RangeInclusive<u64> = 41..=44;

#[expect(clippy::too_many_lines, reason = "one life of a cluster, in its order")]
#[tokio::test(flavor = "multi_thread")]
async fn galera_goes_on_without_a_node_and_without_a_sidecar() {
    if std::env::var_os(GALERA).is_none() {
        return;
    }
    let mut cluster = Cluster::start().await;
    let app = cluster.app().await;
    let poll = "collect.poll_seconds = 5\n";
    let urls: Vec<String> = cluster.nodes.iter().map(Node::url).collect();
    // All at once: each brings the schema up to date, or waits for who does.
    let (first, second, third) = tokio::join!(
        Sidecar::start(&app, "first", &urls[0], poll),
        Sidecar::start(&app, "second", &urls[1], poll),
        Sidecar::start(&app, "third", &urls[2], poll),
    );
    let mut second = second;
    let mut users = Vec::new();
    for id in SERVICES {
        let made = somebody(&[&third, &first], "create", &app.body(id)).await;
        // What one node has committed counts at the next at once.
        second.ok("suspend", &app.body(id)).await;
        first.ok("unsuspend", &app.body(id)).await;
        app.dial(&made);
        users.push((id, made["service"]["username"].as_str().unwrap().to_owned()));
    }
    // One letter: it is sent while all are well.
    assert!(app.router.carry(&users[0].1, 9 * GB, 0));
    third.ok("usage-update", &app.body(1)).await;
    let letters = || first.letters() + third.letters();
    let mut keys = 0_u64;
    for round in 0..9_u64 {
        for (id, user) in &users {
            assert!(app.router.carry(user, 1_000_000 + round * 1_009 + id, 333));
        }
        let all = match round {
            // The third's node is dead by then, the second sidecar is.
            0..3 => [&first, &second, &third],
            3..6 => [&second, &third, &first],
            _ => [&third, &first, &first],
        };
        let topped = SERVICES.map(|id| {
            let body = app.body_with(id, &json!({"hook": {"bytes": 1, "key": format!("{round}/{id}")}}));
            async move { somebody(&all, "add-traffic", &body).await }
        });
        let body = app.body(1);
        let kill = async {
            // In the middle of what the round does.
            tokio::time::sleep(Duration::from_millis(30)).await;
            if round == 3 {
                cluster.nodes[2].child.kill().unwrap();
            }
            if round == 6 {
                crate::sidecars::signal(second.pid(), "KILL");
            }
        };
        tokio::join!(
            futures_util::future::join_all(topped),
            somebody(&all, "usage-update", &body),
            second.hook("usage-update", &body),
            kill
        );
        keys += 1;
        if round == 3 {
            until("a sidecar whose node is dead says so", async || !third.is_ready().await).await;
        }
    }
    second.kill().await;
    somebody(&[&first], "usage-update", &app.body(1)).await;
    now(&app);
    for (id, user) in &users {
        assert_eq!(app.uncharged(user, booked(&app.app, *id).await), 0, "{user}");
        let count = sql!("SELECT COUNT(*) AS n FROM ledger WHERE service_id = ? AND kind = 'top-up'");
        let row = app.app.db.read().await.unwrap().one(count, params![*id]).await.unwrap().unwrap();
        assert_eq!(row.get::<u64>("n").unwrap(), keys, "each key once");
        assert_eq!(app.account(*id).await["pending"], 0);
        assert_eq!(app.secret(user, "disabled").unwrap(), "false");
    }
    assert_eq!(open_resets(&app.app).await, 0);
    assert_books_equal(&app.app).await;
    assert_eq!(letters() + second.letters(), 1);
    // The node that is left says the same.
    let other = Database::at(Address::Mysql(cluster.nodes[1].url().into())).await;
    let sum = sql!("SELECT SUM(bytes) AS total FROM ledger");
    let total = async |db: &turnpike::db::Db| {
        db.read().await.unwrap().one(sum, vec![]).await.unwrap().unwrap().get::<i64>("total").unwrap()
    };
    assert_eq!(total(&other.db).await, total(&app.app.db).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn galera_conflicts_of_one_service_at_two_nodes_are_done_over() {
    if std::env::var_os(GALERA).is_none() {
        return;
    }
    let cluster = Cluster::start().await;
    let app = cluster.app().await;
    hooks_of_one_service_at(&app, &cluster.nodes[1].url(), &cluster.nodes[2].url()).await;
    app.clock.set(Clock::System.now());
    assert_books_equal(&app.app).await;
}
