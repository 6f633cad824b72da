//! The buttons: what a customer, WHMCS's staff or the weather may do to the stage. Each moves the clock a little, and then
//! everything that is due is done, as a running service would.

use super::Shown;
use crate::demo::{
    customers::Customer,
    figures::{GB, MB, date, gb},
    stage::ROUTER,
};
use anyhow::{Context, Result};
use chrono::{Duration, Months};
use serde_json::Value;

/// Carrying takes this long; a gigabyte or two fits through the slower of the lines.
const CARRYING: Duration = Duration::minutes(15);
const A_MOMENT: Duration = Duration::minutes(1);

impl Shown {
    /// Does what the button says; what came of it, or `None` where there is no such button.
    pub(super) async fn play(&self, action: &str, customer: Option<Customer>) -> Result<Option<String>> {
        let letters = self.stage.letters()?.len();
        let told = match (action, customer) {
            ("carry-500", Some(customer)) => self.carry(&customer, 500 * MB, "500 MB").await?,
            ("carry-2000", Some(customer)) => self.carry(&customer, 2 * GB, "2 GB").await?,
            ("renew", Some(customer)) => self.renew(customer).await?,
            ("suspend", Some(customer)) => self.switch(customer, "suspend", "Suspended").await?,
            ("unsuspend", Some(customer)) => self.switch(customer, "unsuspend", "Active").await?,
            ("collect", None) => self.collect().await?,
            ("away", None) => self.away().await?,
            ("back", None) => self.back().await?,
            _ => return Ok(None),
        };
        let new: Vec<_> = self.stage.letters()?.into_iter().skip(letters).collect();
        let mails = new.iter().map(|it| format!(" Mail to {}: \u{201c}{}\u{201d}.", it.to, it.subject));
        Ok(Some(told + &mails.collect::<String>()))
    }

    async fn carry(&self, customer: &Customer, bytes: u64, said: &str) -> Result<String> {
        let (stage, first) = (&self.stage, customer.first);
        if !stage.router.is_online(&customer.username)
            && let Err(why) = stage.dial(customer)
        {
            self.then(A_MOMENT).await?;
            return Ok(format!("{first} cannot dial in, the router refuses: {why}."));
        }
        let was = stage.account(customer).await?;
        let up = bytes / 100 * 15;
        stage.router.carry(&customer.username, bytes - up, up);
        self.then(CARRYING).await?;
        let account = stage.account(customer).await?;
        let mut text = format!("{first} carries {said} in a quarter of an hour.");
        if self.is_away().await? {
            text += " The router does not answer: it counts on, and all is booked when it is back.";
        } else if let Some(balance) = account["balance_bytes"].as_i64() {
            text = format!("{text} Balance {}.", gb(balance));
        }
        if is_enabled(&was) && !is_enabled(&account) {
            text += " It is used up: blocked, and the session ended.";
        }
        Ok(text)
    }

    async fn renew(&self, mut customer: Customer) -> Result<String> {
        let before = self.stage.account(&customer).await?;
        customer.due = customer.due + Months::new(1);
        let answer = self.stage.hook("renew", &customer).await?;
        if answer.status != 200 {
            return Ok(format!("WHMCS renews {}: {}", customer.first, answer.detail()));
        }
        let account = &answer.body["account"];
        let mut text = format!("WHMCS renews {} until {}.", customer.first, date(customer.due));
        match (before["balance_bytes"].as_i64(), account["balance_bytes"].as_i64()) {
            (Some(before), Some(after)) => text = format!("{text} Balance {} to {}.", gb(before), gb(after)),
            _ => text += " The package is unmetered, so there is nothing to grant.",
        }
        if !is_enabled(&before) && is_enabled(account) {
            text += if is_waiting(account) { " Free, as soon as the router answers." } else { " Free at once." };
        }
        self.keep(customer);
        self.then(A_MOMENT).await?;
        Ok(text)
    }

    async fn switch(&self, mut customer: Customer, hook: &str, status: &'static str) -> Result<String> {
        customer.status = status;
        let answer = self.stage.hook(hook, &customer).await?;
        if answer.status != 200 {
            return Ok(format!("WHMCS wants to {hook} {}: {}", customer.first, answer.detail()));
        }
        let account = &answer.body["account"];
        let state = match (is_enabled(account), is_waiting(account)) {
            (true, false) => "enabled",
            (true, true) => "enabled; the router is told when it answers",
            (false, false) => "off, and its sessions ended",
            (false, true) => "off; the router is told when it answers",
        };
        let text = format!("WHMCS: {hook} {}. The account is {state}.", customer.first);
        self.keep(customer);
        self.then(A_MOMENT).await?;
        Ok(text)
    }

    async fn collect(&self) -> Result<String> {
        let answer = self.stage.router_hook("usage-update").await?;
        self.then(A_MOMENT).await?;
        Ok(match answer.status {
            200 => format!("UsageUpdate: {} accounts read and booked, their counters reset.", answer.body["collected"]),
            status => format!("UsageUpdate is answered {status}: {}", answer.detail()),
        })
    }

    async fn away(&self) -> Result<String> {
        self.stage.router.stop().await;
        self.then(A_MOMENT).await?;
        Ok(format!("Router {ROUTER} does not answer any more. Customers who are online stay online."))
    }

    async fn back(&self) -> Result<String> {
        self.stage.router.listen().await.context("the router cannot come back")?;
        // Staff press Server Sync, which does not wait for the pause after a failure.
        self.stage.router_hook("list-accounts").await?;
        self.then(A_MOMENT).await?;
        Ok(format!("Router {ROUTER} is back: what it counted is booked, what waited for it is made."))
    }

    /// Time passes, and what is due is done.
    async fn then(&self, time: Duration) -> Result<()> {
        self.stage.pass(time);
        self.stage.jobs().await
    }

    /// Whether the service finds its router silent.
    pub(super) async fn is_away(&self) -> Result<bool> {
        let [customer, _] = self.customers();
        let page = self.stage.peek(&Customer { status: "Active", ..customer }).await?;
        Ok(page["connection"]["status"] == "unknown")
    }
}

fn is_enabled(account: &Value) -> bool {
    account["enabled"] == true
}

fn is_waiting(account: &Value) -> bool {
    account["pending"].as_u64().unwrap_or(0) > 0
}
