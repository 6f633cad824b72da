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
use turnpike::{
    account::{Account, pending},
    catalogue::plans,
    clock::Clock,
    db::Address,
    params, sql,
    units::Bytes,
    usage::{
        ledger,
        standing::{self, Standing},
    },
    work::doctor,
};

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
        std::fs::create_dir(path("tmp")).unwrap();
        let mut command = Command::new("mariadbd");
        command.arg("--no-defaults").args(as_root()).arg(format!("--datadir={}", data.display()));
        command.arg(format!("--socket={}", path("socket"))).arg(format!("--pid-file={}", path("pid")));
        command
            .arg(format!("--log-error={}", path("log")))
            .arg(format!("--tmpdir={}", path("tmp")))
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
            // A server that starts clears away what it takes for its own remains.
            .arg(format!("--tmpdir={}", folder.path().display()))
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
    until("the letter is sent", async || {
        let sent = sql!("SELECT COUNT(*) AS n FROM mail_outbox WHERE state = 'sent'");
        let row = app.app.db.read().await.unwrap().one(sent, vec![]).await.unwrap().unwrap();
        row.get::<u64>("n").unwrap() == 1
    })
    .await;
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
    // The nodes of these tests leave the disk out, which is no way to keep books.
    let found = doctor::examine(&app.app, None, Duration::ZERO).await.unwrap();
    assert!(found.iter().any(|it| (it.server_id, it.code) == (0, "database-forgets")), "{found:?}");
}

/// Locks are each node's own: a reading that goes by a sheet, and a hook that takes an account out of it at another node, must
/// not both be committed. Whoever is first.
#[tokio::test(flavor = "multi_thread")]
async fn galera_a_reading_and_a_hook_do_not_both_go_by_one_sheet() {
    if std::env::var_os(GALERA).is_none() {
        return;
    }
    let cluster = Cluster::start().await;
    let app = cluster.app().await;
    app.clock.set(Clock::System.now());
    for id in SERVICES {
        app.create(id).await;
    }
    app.step().await;
    for id in SERVICES {
        assert!(app.router.carry(&format!("7-{id}"), 1_000 + id, 5));
    }
    app.collect().await;
    let other = Database::at(Address::Mysql(cluster.nodes[1].url().into())).await;
    let now = Clock::System.now();
    for (round, hook_first) in [(1, true), (2, false)] {
        let before = app.balance(41).await;
        let mut reading = app.app.db.begin().await.unwrap();
        let (mut all, mut sheets) = Standing::of_server_locked(&mut reading, (3, None), 0, 100).await.unwrap();
        assert_eq!(all.iter().map(|it| it.service_id).collect::<Vec<_>>(), SERVICES.collect::<Vec<_>>());
        all[0].charge(Bytes(100));
        standing::store(&mut reading, (3, &mut sheets), &[&all[0]]).await.unwrap();
        let mut hook = other.db.begin().await.unwrap();
        Account::find_locked(&mut hook, 41).await.unwrap().unwrap();
        let key = format!("galera {round}");
        assert!(ledger::enter(&mut hook, 41, (ledger::Kind::TopUp, &key), 7, "", now).await.unwrap());
        let outcomes = if hook_first {
            let first = hook.commit().await;
            [first, reading.commit().await]
        } else {
            let first = reading.commit().await;
            [first, hook.commit().await]
        };
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
        assert!(outcomes[1].as_ref().is_err_and(turnpike::db::Error::is_retryable), "{round}: {outcomes:?}");
        assert_eq!(app.balance(41).await, before + if hook_first { 7 } else { -100 });
        // Seated again for the next round.
        assert!(app.router.carry("7-41", 1_000, 5));
        app.clock.set(Clock::System.now());
        app.collect().await;
    }
}

/// A transaction that has to give way to one of another node while it prepares a statement is told so by nobody
/// (`src/db/mysql/held.rs`): what it says next would be committed by itself. Four who add one to the same number, at three
/// nodes.
#[tokio::test(flavor = "multi_thread")]
async fn galera_what_gave_way_unheard_is_not_half_committed() {
    const EACH: i64 = 150;
    if std::env::var_os(GALERA).is_none() {
        return;
    }
    let cluster = Cluster::start().await;
    let mut all = Vec::new();
    for node in &cluster.nodes {
        all.push(Database::at(Address::Mysql(node.url().into())).await.db);
    }
    let opts = mysql_async::Opts::from_url(&cluster.nodes[0].url()).unwrap();
    let mut conn = mysql_async::Conn::new(opts).await.unwrap();
    conn.query_drop("CREATE TABLE tally (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)").await.unwrap();
    conn.query_drop("CREATE TABLE tally_entry (id VARCHAR(40) PRIMARY KEY, n BIGINT NOT NULL)").await.unwrap();
    conn.query_drop("INSERT INTO tally (id, n) VALUES (1, 0)").await.unwrap();
    conn.disconnect().await.unwrap();
    let tally = sql!("SELECT n FROM tally WHERE id = 1 FOR UPDATE /* MySQL only */");
    let others = [
        sql!("SELECT n FROM tally_entry WHERE id = ? /* MySQL only */"),
        sql!("SELECT id, n FROM tally_entry WHERE id = ? /* MySQL only */"),
        sql!("SELECT n, id FROM tally_entry WHERE id = ? /* MySQL only */"),
    ];
    let count_on = sql!("UPDATE tally SET n = ? WHERE id = 1 /* MySQL only */");
    let enter = sql!("INSERT INTO tally_entry (id, n) VALUES (?, ?) /* MySQL only */");
    let add = async move |db: &turnpike::db::Db, entry: String| -> turnpike::db::Result<()> {
        let mut tx = db.begin().await?;
        // What is prepared is closed by this: it is prepared anew where others are in the way.
        for known in others.into_iter().chain([tally, count_on, enter]) {
            tx.prepare(known).await?;
        }
        let n: i64 = tx.one(tally, vec![]).await?.unwrap().get("n")?;
        for read in others {
            tx.rows(read, params!["nobody"]).await?;
        }
        tx.execute(count_on, params![n + 1]).await?;
        tx.execute(enter, params![entry, n + 1]).await?;
        tx.commit().await
    };
    let count = |db: turnpike::db::Db, who: usize| async move {
        for round in 0..EACH {
            // At once again.
            while let Err(error) = add(&db, format!("{who}/{round}")).await {
                assert!(error.is_retryable(), "{error}");
            }
        }
    };
    for db in &all {
        until("the table is there", async || {
            let read = sql!("SELECT COUNT(*) AS n FROM tally_entry /* MySQL only */");
            let Ok(mut conn) = db.read().await else { return false };
            conn.rows(read, vec![]).await.is_ok()
        })
        .await;
    }
    let tasks = [0, 0, 1, 2].into_iter().enumerate().map(|(who, at)| tokio::spawn(count(all[at].clone(), who)));
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap();
    }
    let mut conn = all[0].read().await.unwrap();
    let sum =
        sql!("SELECT t.n, COUNT(DISTINCT e.n) AS each_once FROM tally t, tally_entry e GROUP BY t.n /* MySQL only */");
    let row = conn.one(sum, vec![]).await.unwrap().unwrap();
    assert_eq!((row.get("n").unwrap(), row.get("each_once").unwrap()), (4 * EACH, 4 * EACH));
}

/// A cluster, and the test's own service on its first node with one account.
async fn with_one_account() -> Option<(Cluster, TestApp)> {
    std::env::var_os(GALERA)?;
    let cluster = Cluster::start().await;
    let app = cluster.app().await;
    now(&app);
    app.create(41).await;
    Some((cluster, app))
}

/// What the server has rolled back is over: nothing is said on it any more, for it would be committed by itself.
#[tokio::test(flavor = "multi_thread")]
async fn galera_nothing_is_said_on_a_transaction_that_gave_way() {
    let Some((cluster, app)) = with_one_account().await else { return };
    let mut mine = app.app.db.begin().await.unwrap();
    Account::find_locked(&mut mine, 41).await.unwrap().unwrap();
    let other = Database::at(Address::Mysql(cluster.nodes[1].url().into())).await.db;
    let rename = sql!("UPDATE account SET client_name = ? WHERE service_id = 41 /* MySQL only */");
    other.execute(rename, params!["theirs"]).await.unwrap();
    // What they wrote is here.
    app.app.db.read().await.unwrap().rows(sql!("SELECT client_name FROM account"), vec![]).await.unwrap();
    assert!(mine.execute(rename, params!["mine"]).await.unwrap_err().is_retryable());
    for _ in 0..2 {
        mine.execute(rename, params!["mine"]).await.unwrap_err();
    }
    mine.commit().await.unwrap_err();
    let row = app.app.db.read().await.unwrap().one(sql!("SELECT client_name FROM account"), vec![]).await.unwrap();
    assert_eq!(row.unwrap().get::<String>("client_name").unwrap(), "theirs");
}

/// A connection on which something was rolled back still waits for what the others have committed before it reads: a node
/// forgets that of one that is reset (`src/db/mysql/held.rs`), and then answers with what is over now and then.
#[tokio::test(flavor = "multi_thread")]
async fn galera_what_another_node_has_committed_is_read_at_once() {
    let Some((cluster, app)) = with_one_account().await else { return };
    let other = Database::at(Address::Mysql(cluster.nodes[1].url().into())).await;
    let rename = sql!("UPDATE account SET client_name = ? WHERE service_id = 41 /* MySQL only */");
    let waits = async || cluster.nodes[0].status("wsrep_causal_reads").await.unwrap().parse::<u64>().unwrap();
    for round in 0..20 {
        let mut given_up = app.app.db.begin().await.unwrap();
        given_up.execute(rename, params!["nobody"]).await.unwrap();
        drop(given_up);
        let name = format!("client {round}");
        until("the row is free", async || other.db.execute(rename, params![&name]).await.is_ok()).await;
        let before = waits().await;
        let mut reader = app.app.db.read().await.unwrap();
        let row = reader.one(sql!("SELECT client_name FROM account"), vec![]).await.unwrap().unwrap();
        assert_eq!(row.get::<String>("client_name").unwrap(), name);
        assert!(waits().await > before, "round {round}: read without waiting for the others");
    }
}

/// Two hooks, or a hook and a reading, that hold one account at two nodes and write different rows of it.
#[tokio::test(flavor = "multi_thread")]
async fn galera_two_who_are_at_one_account_are_not_both_committed() {
    let Some((cluster, app)) = with_one_account().await else { return };
    let other = Database::at(Address::Mysql(cluster.nodes[1].url().into())).await;
    let decide = async |tx: &mut turnpike::db::Tx, at: i64| {
        let at = Clock::System.now() + chrono::Duration::seconds(at);
        pending::decide(tx, (3, 41), pending::Kind::Disable, false, at).await.unwrap();
    };
    for (round, reading) in [(1, false), (2, true)] {
        let mut one = app.app.db.begin().await.unwrap();
        let mut another = other.db.begin().await.unwrap();
        let mut account = Account::find_locked(&mut another, 41).await.unwrap().unwrap();
        // A reading holds the account's row of figures only.
        if !reading {
            Account::find_locked(&mut one, 41).await.unwrap().unwrap();
        }
        // By clocks that differ by a minute: what is decided later has the earlier number.
        decide(&mut one, 60 * round).await;
        account.causes.admin = true;
        account.save(&mut another, Clock::System.now()).await.unwrap();
        if !reading {
            decide(&mut another, 0).await;
        }
        one.commit().await.unwrap();
        let outcome = another.commit().await;
        assert!(outcome.as_ref().is_err_and(turnpike::db::Error::is_retryable), "{reading}: {outcome:?}");
    }
    let account = Account::find(&mut app.app.db.read().await.unwrap(), 41).await.unwrap().unwrap();
    assert!(!account.causes.admin);
    // Who only holds it is met as well, whatever of it they write.
    let times = async || {
        let held = sql!("SELECT held FROM standing WHERE service_id = 41");
        let row = app.app.db.read().await.unwrap().one(held, vec![]).await.unwrap().unwrap();
        row.get::<u64>("held").unwrap()
    };
    let before = times().await;
    let mut tx = other.db.begin().await.unwrap();
    Account::find_locked(&mut tx, 41).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    assert_eq!(times().await, before + 1);
}

/// A plan that is changed at one node while an account is put on it at another: whoever is first.
#[tokio::test(flavor = "multi_thread")]
async fn galera_a_plan_is_not_changed_under_who_is_put_on_it() {
    let Some((cluster, app)) = with_one_account().await else { return };
    let id = app.plan(&json!({"name": "Gold", "price": "9", "download_speed": "10M", "upload_speed": "2M"})).await;
    let other = Database::at(Address::Mysql(cluster.nodes[1].url().into())).await;
    let touch = sql!("UPDATE account SET client_name = ? WHERE service_id = 41");
    for plan_first in [true, false] {
        let mut changes = app.app.db.begin().await.unwrap();
        let mut plan = plans::find_locked(&mut changes, id).await.unwrap().unwrap().plan;
        plan.name = format!("Gold {plan_first}");
        assert!(plans::replace(&mut changes, id, &plan, Clock::System.now()).await.unwrap());
        let mut puts = other.db.begin().await.unwrap();
        plans::held(&mut puts, id).await.unwrap().unwrap();
        puts.execute(touch, params![plan.name]).await.unwrap();
        let outcomes = if plan_first {
            let first = changes.commit().await;
            [first, puts.commit().await]
        } else {
            let first = puts.commit().await;
            [first, changes.commit().await]
        };
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
        assert!(outcomes[1].as_ref().is_err_and(turnpike::db::Error::is_retryable), "{plan_first}: {outcomes:?}");
    }
}
