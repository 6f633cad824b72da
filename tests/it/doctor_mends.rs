//! What the doctor says mends a finding does, and takes nothing from anybody.

use crate::{
    secure::{SelfSigned, on_tls, over_tls},
    world::TestApp,
};
use chrono::Duration as Days;
use serde_json::json;
use std::time::Duration;
use turnpike::{
    simulator::Options,
    work::doctor::{self, Finding, Severity},
};

impl TestApp {
    async fn finding(&self, code: &str) -> Option<Finding> {
        let found = doctor::examine(&self.app, None, Duration::ZERO).await.unwrap();
        found.into_iter().find(|it| it.code == code)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_matters_where_nobody_has_pinned_it() {
    let certificate = SelfSigned::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, certificate.pem()).unwrap();
    let app = on_tls(&certificate, &format!("router.ca_file = \"{}\"\n", file.display())).await;
    app.hook("create", &over_tls(&app, "")).await.ok();
    let end = app.clock.now() + Days::days(9);
    app.router.world(|world| {
        let end = end.format("%Y-%m-%d %H:%M:%S").to_string();
        world.add_row("/certificate", &[("name", "router"), ("invalid-after", &end)]);
        assert!(world.put("/ip/service", "api-ssl", "certificate", "router"));
    });
    let plain = app.finding("plain-api-on").await.unwrap();
    assert_eq!((plain.severity, plain.mend.as_str()), (Severity::Hint, "/ip service set api disabled=yes"));
    assert_eq!(app.finding("plain-text").await, None);
    let trusted = app.finding("certificate-ends").await.unwrap();
    assert_eq!(trusted.severity, Severity::Warning);
    assert!(
        trusted.what.contains("2026-11-29") && trusted.mend.contains("as Access Hash of the server"),
        "{trusted:?}"
    );
    let fingerprint = app.hook("test-connection", &over_tls(&app, &"00".repeat(32))).await.body["certificate_sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    app.hook("suspend", &over_tls(&app, &fingerprint)).await.ok();
    let pinned = app.finding("certificate-ends").await.unwrap();
    assert_eq!(pinned.severity, Severity::Hint);
    assert!(pinned.mend.starts_with("Leave it.") && !pinned.mend.contains("/ip service set"), "{pinned:?}");
    app.pass(Days::days(10));
    assert!(app.finding("certificate-ends").await.unwrap().what.contains("has ended on 2026-11-29"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_api_ssl_has_is_pinned_and_not_replaced() {
    let app = TestApp::new().await;
    app.create(41).await;
    let mend = app.finding("plain-text").await.unwrap().mend;
    assert!(
        mend.contains("/certificate add name=turnpike ") && mend.contains("as Access Hash of the server"),
        "{mend}"
    );
    app.router.world(|world| assert!(world.put("/ip/service", "api-ssl", "certificate", "of others")));
    let mend = app.finding("plain-text").await.unwrap().mend;
    assert!(
        mend.starts_with("/ip service set api-ssl disabled=no\n/certificate print detail where name=\"of others\"")
    );
    assert!(!mend.contains("certificate=") && mend.contains("as Access Hash of the server"), "{mend}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrators_user_is_left_as_it_is() {
    let app = TestApp::new().await;
    app.create(41).await;
    let login = Options::default();
    app.router.world(|world| assert!(world.put("/user", &login.username, "group", "full")));
    let mend = app.finding("policy-too-much").await.unwrap().mend;
    assert_eq!(mend.contains("/user set"), login.username == "turnpike", "{mend}");
    app.router.world(|world| {
        let admin = |row: &turnpike::simulator::Row| row.get("name") != Some("admin");
        world.table_mut("/user").retain(admin);
        world.add_user("admin", "secret", &[]);
        assert!(world.put("/user", "admin", "group", "full"));
    });
    let body = app.body_with(41, &json!({"server": {"username": "admin", "password": "secret"}}));
    app.hook("suspend", &body).await.ok();
    let mend = app.finding("policy-too-much").await.unwrap().mend;
    assert!(mend.contains("/user add name=turnpike group=turnpike ") && !mend.contains("/user set"), "{mend}");
    app.router.world(|world| world.add_row("/user/group", &[("name", "turnpike"), ("policy", "read")]));
    let mend = app.finding("policy-too-much").await.unwrap().mend;
    assert!(mend.starts_with("/user group set [find name=turnpike] policy=read,write,api,sensitive\n"), "{mend}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vpn_server_that_nobody_offers_is_told_of() {
    let app = TestApp::new().await;
    app.hook("create", &app.body_with(41, &json!({"settings": {"support_pptp": ""}}))).await.ok();
    assert_eq!(app.finding("pptp-unused").await.unwrap().severity, Severity::Hint);
    app.router.world(|world| assert!(world.put("/interface/pptp-server/server", "", "enabled", "false")));
    assert_eq!(app.finding("pptp-unused").await, None);
}

/// Accounts have addresses of a pool and such as came with an import, besides the server's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_exempt_from_fasttrack_is_all_that_accounts_have() {
    let app = TestApp::new().await;
    let elsewhere = json!({"server": {"addresses": ["10.9.0.7", "10.6.0.2-10.6.0.3"]}});
    for service in [41, 42, 43] {
        app.hook("create", &app.body_with(service, &elsewhere)).await.ok();
    }
    app.hook("create", &app.body(44)).await.ok();
    app.foreign("/ip/pool", &[("name", "gold"), ("ranges", "10.9.0.5-10.9.0.50")]);
    app.foreign("/ip/pool", &[("name", "lan"), ("ranges", "192.168.88.10-192.168.88.99")]);
    let filter = |values: &[(&str, &str)]| app.foreign("/ip/firewall/filter", values);
    let track = [("chain", "forward"), ("action", "fasttrack-connection"), ("connection-state", "established,related")];
    filter(&track);
    let mend = app.finding("fasttrack").await.unwrap().mend;
    app.router.world(|world| world.table_mut("/ip/firewall/filter").retain(|_| false));
    let mut listed = Vec::new();
    for line in mend.lines() {
        if let Some(address) = line.strip_prefix("/ip firewall address-list add list=turnpike address=") {
            listed.push(address);
            app.foreign("/ip/firewall/address-list", &[("list", "turnpike"), ("address", address)]);
        }
    }
    let told = ["10.8.0.2", "10.8.0.16/28", "10.8.1.10-10.8.1.50"];
    assert_eq!(listed, [&told[..], &["10.9.0.5-10.9.0.50", "10.6.0.2-10.6.0.3"]].concat());
    for end in ["src-address-list", "dst-address-list"] {
        filter(&[("chain", "forward"), ("action", "accept"), (end, "turnpike")]);
    }
    filter(&track);
    assert_eq!(app.finding("fasttrack").await, None, "{mend}");
}
